"""The cost of composites: what it reads from a block, and that the block is left alone."""

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.core.costs import Cost


class Doubled(nn.Module):
    """x + conv(x), or another pointwise function of them."""

    def __init__(self, join: str = "add") -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return x + y if self.join == "add" else x * y


def test_leaves_and_sums_by_hand() -> None:
    """20 positions: 2 * 2 MACs; a bias, two for the norm and the sum for each of 2 channels."""
    assert cost_of_parts(Doubled(), (1, 2, 5, 4)) == Cost(20 * 4, 40 * (1 + 2 + 1))


def test_leaves_the_block_as_it_is() -> None:
    block = Doubled().double().train()
    before = {key: value.clone() for key, value in block.state_dict().items()}
    cost_of_parts(block, (1, 2, 1, 1))
    assert block.training
    assert all(torch.equal(value, before[key]) for key, value in block.state_dict().items())
    assert next(block.parameters()).dtype == torch.float64


def test_refuses_what_it_cannot_count() -> None:
    with pytest.raises(TypeError, match="has no cost rule"):
        cost_of_parts(Doubled("multiply"), (1, 2, 5, 4))
    with pytest.raises(TypeError, match="Softplus has no cost formula"):
        cost_of_parts(nn.Sequential(nn.Softplus()), (1, 2, 5, 4))
