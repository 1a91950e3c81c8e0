"""Padding that rounds up: sizes of cuda-convnet, zeros in the right place, refusal."""

import math

import pytest
import torch
from torch import nn

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.ceil_pad import CeilPad2d, ceil_pad


@pytest.mark.parametrize("kernel", [1, 2, 3, 11])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", [11, 14, 224])
def test_output_size_is_rounded_up(kernel: int, stride: int, size: int) -> None:
    x = torch.empty(1, 2, size, size + 1, device="meta")
    net = nn.Sequential(CeilPad2d(kernel, stride), nn.Conv2d(2, 3, kernel, stride=stride))
    expected = [math.ceil((s - kernel) / stride) + 1 for s in (size, size + 1)]
    assert net.to("meta")(x).shape == (1, 3, *expected)


def test_a_map_below_the_kernel_gives_one_position() -> None:
    assert ceil_pad(torch.zeros(1, 1, 2, 5), kernel_size=5, stride=2).shape == (1, 1, 5, 5)


def test_zeros_come_last() -> None:
    x = torch.ones(1, 1, 1, 4)
    padded = ceil_pad(x, kernel_size=1, stride=2)
    assert padded[0, 0].tolist() == [[1, 1, 1, 1, 0]]


def test_gradient_and_layout() -> None:
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    module = CeilPad2d(3, 2)
    assert torch.autograd.gradcheck(module, (x,))
    assert torch.equal(module(x.to(memory_format=torch.channels_last)), module(x))


def test_costs_no_arithmetic_and_says_what_it_is() -> None:
    module = CeilPad2d(3, 2)
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (1, 2, 4, 4)) == Cost()
    assert "kernel_size=3, stride=2" in repr(module)


def test_refuses_a_stride_of_0() -> None:
    with pytest.raises(UsageError, match="stride=0 is too small"):
        CeilPad2d(3, 0)
