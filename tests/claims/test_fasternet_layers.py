"""The work of Table 1, and what a mean and a step are; times are made up."""

import math

import numpy as np
import pytest
import torch

from fleetfoot.claims import fasternet_forms, fasternet_layers
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fasternet_layers import DEPTH, LAYERS, SHAPES
from fleetfoot.measure.counts import count

SMOKE = Setting(scale="smoke")
# Table 1: millions of multiply-adds of ten layers, at each map
PAPER = {
    "conv": (2601, 2601, 2601, 2601),
    "gconv": (162, 162, 162, 162),
    "pconv": (162, 162, 162, 162),
    "dwconv": (27.09, 13.54, 6.77, 3.38),
}


@pytest.mark.parametrize("name", PAPER)
def test_the_work_is_that_of_the_paper(name: str) -> None:
    for (channels, side), millions in zip(SHAPES, PAPER[name], strict=True):
        with torch.device("meta"):
            layer = LAYERS[name](channels)
        macs = count(layer, (channels, side, side)).macs
        assert DEPTH * macs / 1e6 == pytest.approx(millions, rel=0.01)


def row(operator: str, place: str, ms: float, gflops: float, layout: str = "nchw"):
    return {
        "operator": operator,
        "layout": layout,
        "map": place,
        "latency_ms_p50": ms,
        "gflops": gflops,
    }


ROWS = (
    row("conv", "a", 8.0, 90.0),
    row("conv", "b", 9.0, 70.0),
    row("pconv", "a", 1.0, 30.0),
    row("pconv", "a", 2.0, 40.0, "nhwc"),
    row("pconv", "b", 1.0, 60.0),
)


def test_the_mean_takes_the_best_of_each_map() -> None:
    assert fasternet_layers.mean_gflops(ROWS, ["conv"]) == 80.0
    assert fasternet_layers.mean_gflops(ROWS, ["pconv"]) == 50.0
    assert fasternet_layers.mean_gflops(ROWS, ["conv", "pconv"]) == 80.0


def test_times_are_compared_map_by_map() -> None:
    rows = [ROWS[0], ROWS[1], ROWS[2], ROWS[4]]
    ratio = fasternet_layers.geometric_mean_of_times(tuple(rows), "conv", "pconv")
    assert ratio == pytest.approx(math.sqrt(8 * 9))


def test_the_narrowest_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = {"conv": 80.0, "pconv": 40.0, "dwconv": 35.0}
    monkeypatch.setattr(
        fasternet_layers,
        "rates",
        lambda layers, _: tuple(row(name, "a", 1.0, made_up[name]) for name in layers),
    )
    measured = fasternet_layers.narrowest_step("conv", "pconv", "dwconv")(SMOKE)
    assert measured.value == pytest.approx(40 / 35)


def test_rows_have_work_time_and_rate_that_agree() -> None:
    rows = fasternet_layers.rates({"dwconv": LAYERS["dwconv"]}, SMOKE, layouts=("nchw", "nhwc"))
    assert [(r["map"], r["layout"]) for r in rows] == [
        *(("32x8x8", "nchw"), ("32x8x8", "nhwc")),
        *(("64x4x4", "nchw"), ("64x4x4", "nhwc")),
    ]
    for r in rows:
        assert r["gflops"] == pytest.approx(2 * r["macs"] / r["latency_ms_p50"] / 1e6)
    assert rows[0]["macs"] == DEPTH * 9 * 32 * 64


@pytest.mark.parametrize("name", ["pconv slicing", "pconv in place"])
def test_every_form_of_pconv_computes_the_same(name: str) -> None:
    form, reference = fasternet_forms.PCONV_FORMS[name](8), LAYERS["pconv"](8)
    form.conv.weight.data.copy_(reference.weight.data)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 8, 5, 6)).astype(np.float32))
    with torch.no_grad():
        expected = reference(x)
        torch.testing.assert_close(form(x.clone()), expected)
        assert torch.equal(expected[:, 2:], x[:, 2:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim", [*fasternet_layers.CLAIMS, *fasternet_forms.CLAIMS], ids=lambda claim: claim.id
)
def test_each_claim_runs(claim) -> None:
    assert claim.measure(SMOKE).value > 0
    assert claim.control(SMOKE).value > 0
