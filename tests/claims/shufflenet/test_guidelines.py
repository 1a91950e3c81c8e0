"""Stacks of equal work, their access by the formula, and which time is divided by which."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims
from fleetfoot.claims.shufflenet import guidelines as shufflenet

SMOKE = Setting(scale="smoke")
PIXELS = 14 * 14


@cache
def rows_of(what: str) -> tuple[Mapping[str, Any], ...]:
    return claims()[f"shufflenet/{what}"].measure(SMOKE).table


@pytest.mark.parametrize("what", ["g1-balance", "g2-groups", "g4-elementwise"])
def test_all_stacks_do_the_same_work(what: str) -> None:
    work = [row["macs"] for row in rows_of(what)]
    assert max(work) / min(work) < 1.07  # the paper's channels are rounded


def test_work_and_access_of_balanced_stacks_by_hand() -> None:
    rows = rows_of("g1-balance")
    for row, (first, second) in zip(rows, ((32, 32), (22, 44), (13, 78), (9, 108)), strict=True):
        assert row["macs"] == 20 * PIXELS * first * second
        assert row["memory_access"] == 20 * (PIXELS * (first + second) + first * second)


def test_the_control_of_groups_saves_work() -> None:
    rows = claims()["shufflenet/g2-groups"].control.measure(SMOKE).table
    assert [row["macs"] for row in rows] == [10 * PIXELS * 128**2 // 2**n for n in range(4)]


def test_a_unit_is_a_residual_bottleneck() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 16, 5, 5)
    unit = shufflenet.Bottleneck(16, elementwise=True)
    bare = shufflenet.Bottleneck(16, elementwise=False)
    bare.load_state_dict(unit.state_dict())
    reduce, mix, expand = unit.reduce, unit.mix, unit.expand
    with torch.no_grad():
        expected = nn.functional.relu(x + expand(mix(reduce(x).clamp(min=0)).clamp(min=0)))
        assert torch.equal(unit(x), expected)
        assert torch.equal(bare(x), expand(mix(reduce(x))))
    assert (reduce.out_channels, mix.kernel_size) == (4, (3, 3))
