"""Compound scaling: B1 to B7 from B0, other families, and the costs the paper states."""

import math
from dataclasses import replace

import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.compound_scaling import ALPHA, BETA, GAMMA, ScaledNet, scaled

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


def test_a_spec_scales_like_its_name() -> None:
    for name in ("mobilenetv3_large_100", "resnet18"):
        by_name = scaled(name, width=1.5, depth=2)
        by_spec = scaled(entry(name).spec, width=1.5, depth=2)
        assert (by_name.spec, by_name.input) == (by_spec.spec, by_spec.input)


def test_a_scaled_network_runs() -> None:
    net = scaled("mobilenetv3_small_100", width=0.5, depth=2, resolution=0.25).create(7).eval()
    assert net(torch.randn(1, 3, 56, 56)).shape == (1, 7)
    assert sum(1 for _ in net.stages[1]) == 4


def test_refusals() -> None:
    with pytest.raises(UsageError, match="give phi or the factors"):
        scaled("efficientnet_b0", phi=1, depth=2.0)
    with pytest.raises(UsageError, match=r"depth=0, width=1\.0, resolution=1\.0: give factors"):
        scaled("efficientnet_b0", depth=0)
    with pytest.raises(UsageError, match="fleetnet does not scale"):
        scaled("fleetnet", depth=2.0)
    with pytest.raises(UsageError, match="is not a network"):
        scaled("efficientnet_b99", phi=1)
    with pytest.raises(UsageError, match="int is not the spec"):
        scaled(3, phi=1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="width=-1, depth=1: give two factors above 0"):
        entry("mobilenetv2_100").spec.scaled(width=-1, depth=1)
