"""The work of Table 1, and what a mean and a step are; times are made up."""

import math

import numpy as np
import pytest
import torch

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fasternet import forms as fasternet_forms
from fleetfoot.claims.fasternet import layers as fasternet_layers
from fleetfoot.claims.fasternet.layers import DEPTH, LAYERS, SHAPES
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import summarise

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


def timed(operator: str, place: str, rounds: list[float], *, flops: int, layout: str = "nchw"):
    latency = summarise([[ms] for ms in rounds])
    return fasternet_layers.Timed(operator, layout, place, flops, latency)


# The second round is twice as slow for all: a slow minute of the machine.
TIMED = (
    timed("conv", "a", [8.0, 16.0], flops=720),
    timed("conv", "b", [9.0, 18.0], flops=630),
    timed("pconv", "a", [1.0, 2.0], flops=30),
    timed("pconv", "a", [2.0, 4.0], flops=80, layout="nhwc"),
    timed("pconv", "b", [1.0, 2.0], flops=60),
)


def test_the_best_of_each_map_among_layouts_and_operators() -> None:
    def best(*operators: str) -> list[int]:
        return [one.flops for one in fasternet_layers.best_of_each_map(TIMED, *operators)]

    assert best("conv") == [720, 630]
    assert best("pconv") == [80, 60]
    assert best("conv", "pconv") == [720, 630]


def test_rates_are_compared_round_by_round() -> None:
    fast = fasternet_layers.best_of_each_map(TIMED, "conv")  # 90 and 70 in the first round
    slow = fasternet_layers.best_of_each_map(TIMED, "pconv")  # 40 and 60
    measured = fasternet_layers.ratio_of_mean_rates(fast, slow)
    assert (measured.value, measured.low, measured.high) == pytest.approx((1.6, 1.6, 1.6))


def test_times_are_compared_map_by_map_and_round_by_round() -> None:
    measured = fasternet_layers.ratio_of_times([*TIMED[:3], TIMED[4]], "conv", "pconv")
    expected = math.sqrt(8 * 9)
    assert (measured.value, measured.low, measured.high) == pytest.approx((expected,) * 3)
    assert [row["map"] for row in measured.table] == ["a", "b", "a", "b"]


def test_the_narrowest_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = {"conv": 80, "pconv": 40, "dwconv": 35}
    monkeypatch.setattr(
        fasternet_layers,
        "stacks",
        lambda layers, _: [timed(n, "a", [1.0, 2.0], flops=made_up[n]) for n in layers],
    )
    measured = fasternet_layers.narrowest_step("conv", "pconv", "dwconv")(SMOKE)
    assert measured.value == pytest.approx(40 / 35)
    assert len(measured.table) == 3


def test_rows_have_work_time_and_rate_that_agree() -> None:
    rows = fasternet_layers.table(
        fasternet_layers.stacks({"dwconv": LAYERS["dwconv"]}, SMOKE, layouts=("nchw", "nhwc"))
    )
    assert [(r["map"], r["layout"]) for r in rows] == [
        *(("32x8x8", "nchw"), ("32x8x8", "nhwc")),
        *(("64x4x4", "nchw"), ("64x4x4", "nhwc")),
    ]
    for r in rows:
        assert r["gflops"] == pytest.approx(2 * r["macs"] / r["latency_ms_p50"] / 1e6)
    assert rows[0]["macs"] == DEPTH * 9 * 32 * 64


def test_in_place_as_it_is_timed_leaves_the_values_what_they_were() -> None:
    """However often its input is written over."""
    form = fasternet_forms.PCONV_FORMS["pconv in place"](8)
    x = torch.randn(1, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    with torch.no_grad():
        for _ in range(3):
            x = form(x)
    torch.testing.assert_close(x, before)


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
    assert claim.control.measure(SMOKE).value > 0
