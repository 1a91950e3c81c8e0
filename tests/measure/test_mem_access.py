"""The memory access of convolutions: hand counts, the bound, and when it is reached."""

import random

import pytest
from torch import nn

from fleetfoot.measure.counts import count
from fleetfoot.measure.mem_access import conv_access, least_mem_access, mem_access
from fleetfoot.nets.create import skeleton


def test_by_hand() -> None:
    """4 to 6 channels, 3x3, on 5 x 7: 35 positions, 216 filter elements."""
    assert mem_access(4, 6, height=5, width=7, kernel_size=3) == 35 * 4 + 35 * 6 + 216
    assert mem_access(4, 6, height=5, width=7, kernel_size=3, groups=2) == 35 * 10 + 108


def macs_of(c1: int, c2: int, height: int, width: int, kernel: int, groups: int) -> int:
    return height * width * c2 * (c1 // groups) * kernel**2


@pytest.mark.parametrize("seed", range(50))
def test_bound_holds_and_is_reached_exactly_by_equal_channels(seed: int) -> None:
    draw = random.Random(seed)
    groups, kernel = draw.choice([1, 2, 4, 8]), draw.choice([1, 3, 5])
    c1, c2 = (groups * draw.randint(1, 40) for _ in range(2))
    height, width = draw.randint(1, 60), draw.randint(1, 60)
    where = {"height": height, "width": width, "kernel_size": kernel, "groups": groups}
    work = macs_of(c1, c2, height, width, kernel, groups)
    needed, least = mem_access(c1, c2, **where), least_mem_access(work, **where)
    assert (needed > least * (1 + 1e-12)) == (c1 != c2)
    balanced = macs_of(c1, c1, height, width, kernel, groups)
    assert mem_access(c1, c1, **where) == pytest.approx(least_mem_access(balanced, **where))


def test_groups_cost_access_at_equal_work() -> None:
    """Guideline G2: h w c1 + B g / c1 + B / (h w) grows with g."""
    work = macs_of(128, 128, 28, 28, 1, 1)
    access = []
    for groups in (1, 2, 4, 8):
        c2 = 128 * groups
        assert macs_of(128, c2, 28, 28, 1, groups) == work
        access.append(mem_access(128, c2, height=28, width=28, groups=groups))
    assert access == sorted(set(access))


def test_of_a_network_equals_the_formula() -> None:
    net = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.ReLU(), nn.Conv2d(6, 10, 1))
    first, second = conv_access(count(net, (6, 9, 8)).records)
    where = {"height": 9, "width": 8}
    assert first.elements == mem_access(6, 6, **where, kernel_size=3, groups=3)
    assert first.least == least_mem_access(first.macs, **where, kernel_size=3, groups=3)
    assert first.excess == 1
    assert (first.path, second.path) == ("0", "2")
    assert second.elements == mem_access(6, 10, **where)
    assert second.least == pytest.approx(least_mem_access(second.macs, **where))
    assert second.excess > 1


def test_maps_of_two_sizes_are_balanced_where_they_hold_as_much() -> None:
    """Stride 2 leaves a quarter of the positions: four times the channels balance it."""
    net = nn.Conv2d(3, 12, 2, stride=2, bias=False)
    (access,) = conv_access(count(net, (3, 8, 8)).records)
    assert access.elements == access.least == 2 * 3 * 64 + 3 * 12 * 4


def test_densenet40_of_the_paper() -> None:
    """3.7 million elements in section 3.1 of VoVNet."""
    found = conv_access(count(skeleton("densenet40"), (3, 32, 32)).records)
    assert sum(access.elements for access in found) == 3_679_504


def test_one_shot_aggregation_is_nearer_to_the_bound_than_dense_layers() -> None:
    """What VoVNet argues: equal widths within a block, against ever more inputs."""
    mean = {}
    for name in ("vovnet39", "densenet121"):
        found = conv_access(count(skeleton(name), (3, 224, 224)).records)
        assert all(access.excess >= 1 - 1e-12 for access in found)
        mean[name] = sum(access.excess for access in found) / len(found)
    assert mean["vovnet39"] < mean["densenet121"]
