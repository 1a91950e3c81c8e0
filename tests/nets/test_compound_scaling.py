"""Compound scaling: B1 to B7 from B0, other families, and the costs the paper states."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.compound_scaling import ALPHA, BETA, GAMMA, ScaledNet, scaled
from fleetfoot.nets.mobilenet_v1 import MobileNetV1
from fleetfoot.nets.portable import save_portable
from fleetfoot.nets.weights import load_weights
from tests.contracts.subjects import randomise

RELEASED = {  # the sheet's table: width, depth, size
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}


def macs(net: ScaledNet) -> float:
    with torch.device("meta"):
        return count(net.create(), net.input).macs


@pytest.mark.parametrize("key", RELEASED)
def test_b1_to_b7_come_from_b0(key: str) -> None:
    width, depth, size = RELEASED[key]
    found = scaled("efficientnet_b0", width=width, depth=depth, resolution=size / 224)
    known = entry(f"efficientnet_{key}")
    assert found.input == known.input
    assert replace(found.spec, dropout=known.spec.dropout) == known.spec


def test_macs_about_double_with_each_phi() -> None:
    """The sheet allows the exponent 15 %; the rounding of layers evens out over a few steps."""
    assert math.log2(ALPHA * BETA**2 * GAMMA**2) == pytest.approx(1, abs=0.15)
    small, large = (scaled("efficientnet_b0", phi=phi) for phi in (1, 5))
    assert (small.input, large.input) == ((3, 258, 258), (3, 451, 451))
    assert math.log2(macs(large) / macs(small)) / 4 == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("name", "factors", "giga"),
    [
        ("mobilenetv1_100", {"width": 2}, 2.2),
        ("mobilenetv1_100", {"resolution": 2}, 2.2),
        ("mobilenetv1_100", {"depth": 1.4, "width": 1.2, "resolution": 1.3}, 2.3),
        ("mobilenetv2_100", {"depth": 4}, 1.2),
        ("mobilenetv2_100", {"width": 2}, 1.1),
        ("mobilenetv2_100", {"resolution": 2}, 1.2),
        ("resnet50", {"depth": 4}, 16.2),
        ("resnet50", {"width": 2}, 14.7),
        ("resnet50", {"resolution": 2}, 16.4),
        ("efficientnet_b0", {"depth": 1.4, "width": 1.2, "resolution": 1.3}, 1.8),
    ],
)
def test_costs_of_the_papers_tables_3_and_7(
    name: str, factors: dict[str, float], giga: float
) -> None:
    """To an eighth: the paper does not say how its baselines round, nor what stays fixed."""
    assert macs(scaled(name, **factors)) / 1e9 == pytest.approx(giga, rel=0.125)


@pytest.mark.parametrize(
    ("name", "family"), [("mobilenetv3_large_100", "mobilenet_v3"), ("resnet18", "resnet")]
)
def test_a_spec_scales_like_its_name(name: str, family: str) -> None:
    by_name = scaled(name, width=1.5, depth=2)
    by_spec = scaled(entry(name).spec, family=family, width=1.5, depth=2)
    assert by_name == by_spec


def test_a_spec_of_nobody_has_the_class_of_its_family() -> None:
    """One without residual branches has no option for them, whatever its spec's type."""
    spec = replace(entry("mobilenetv1_100").spec, stem=24)
    found = scaled(spec, family="mobilenet_v1", width=0.5)
    with torch.device("meta"):
        assert type(found.create()) is MobileNetV1
    with pytest.raises(UsageError, match="mobilenetv1_100 has no option 'drop_path'; it has"):
        found.create(drop_path=0.1)


def test_a_scaled_network_runs() -> None:
    net = scaled("mobilenetv3_small_100", width=0.5, depth=2, resolution=0.25).create(7).eval()
    assert net(torch.randn(1, 3, 56, 56)).shape == (1, 7)
    assert sum(1 for _ in net.stages[1]) == 4


def test_scaling_goes_on_from_a_scaled_network() -> None:
    once = scaled("efficientnet_b0", depth=2.0, resolution=2.0)
    twice = scaled(once, width=2.0, resolution=0.5)
    assert twice.spec == entry("efficientnet_b0").spec.scaled(width=1.0, depth=2.0).scaled(
        width=2.0, depth=1.0
    )
    assert (twice.input, twice.base) == ((3, 224, 224), "efficientnet_b0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"num_classes": -1}, "cannot have -1 classes and 3 image channels"),
        ({"in_chans": 0}, "cannot have 1000 classes and 0 image channels"),
        ({"depth": 2}, "mobilenetv2_100 has no option 'depth'; it has"),
        ({"padding": "valid"}, "padding='valid' is not offered"),
    ],
)
def test_create_checks_what_the_catalog_checks(words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        scaled("mobilenetv2_100", width=0.5).create(**words)


def test_options_reach_the_network() -> None:
    net = scaled("mobilenetv2_100", width=0.35).create(5, in_chans=1, class_map=9, dropout=0.5)
    assert net.eval()(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert net.dropout.p == 0.5
    assert type(net.classifier).__name__ == "ClassMap"


def test_its_own_and_others_weights_load(tmp_path: Path) -> None:
    small = scaled("mobilenetv2_100", width=0.35)
    net, again = small.create(3), small.create(3)
    torch.save(net.state_dict(), tmp_path / "own.pt")
    assert load_weights(again, tmp_path / "own.pt").missing == ()
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in net.state_dict().items())
    with pytest.raises(UsageError, match="scaled from mobilenetv2_100 has no name"):
        save_portable(tmp_path / "weights", net)
    assert not (tmp_path / "weights").exists()


@pytest.mark.slow
def test_torchvision_has_a_wider_mnasnet(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    reference = randomise(models.get_model("mnasnet1_3", weights=None))
    nn.init.normal_(reference.classifier[-1].weight)
    torch.save(reference.state_dict(), tmp_path / "w.pth")
    net = scaled("mnasnet_100", width=1.3).create().eval()
    report = load_weights(net, tmp_path / "w.pth")
    assert (report.dialect, report.missing, report.unused) == ("torchvision", (), ())
    x = torch.randn(2, 3, 65, 65)
    with torch.no_grad():
        expected, got = reference(x), net(x)
    assert expected.std() > 0.01
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("word", ["depth", "width", "resolution"])
@pytest.mark.parametrize("factor", [0, -1.5, float("nan")])
def test_refuses_factors_that_are_not_positive(word: str, factor: float) -> None:
    with pytest.raises(UsageError, match=f"{word}={factor} is not above 0"):
        scaled("efficientnet_b0", **{word: factor})


def test_refusals() -> None:
    with pytest.raises(UsageError, match="give phi or the factors"):
        scaled("efficientnet_b0", phi=1, depth=2.0)
    with pytest.raises(UsageError, match="fleetnet does not scale"):
        scaled("fleetnet", depth=2.0)
    with pytest.raises(UsageError, match="is not a network"):
        scaled("efficientnet_b99", phi=1)
    spec = entry("mobilenetv2_100").spec
    with pytest.raises(UsageError, match="a MobileNetSpec may be of several families: give its"):
        scaled(spec, phi=1)
    with pytest.raises(UsageError, match=r"MobileNetSpec is not the spec of .* family 'resnet'"):
        scaled(spec, family="resnet", phi=1)
    with pytest.raises(UsageError, match="family='mobilenet' is not offered: take 'alexnet', "):
        scaled(spec, family="mobilenet", phi=1)
    with pytest.raises(UsageError, match="family='resnet' goes with a spec"):
        scaled("resnet18", family="resnet", phi=1)
    with pytest.raises(UsageError, match="int is not the spec"):
        scaled(3, family="resnet", phi=1)  # type: ignore[arg-type]
