"""SAME padding against TensorFlow's rule written out, on odd sizes and strides."""

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.same_pad import SamePad2d, same_pad, same_padding


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 4, 7, 8])
def test_output_has_ceil_size_over_stride_positions(kernel: int, stride: int, size: int) -> None:
    x = torch.randn(1, 2, size, size + 1)
    net = nn.Sequential(SamePad2d(kernel, stride), nn.Conv2d(2, 3, kernel, stride=stride))
    assert net(x).shape == (1, 3, -(-size // stride), -(-(size + 1) // stride))


def test_the_odd_zero_goes_last() -> None:
    x = np.arange(4.0).reshape(1, 1, 1, 4)
    padded = same_pad(torch.from_numpy(x), kernel_size=3, stride=2)
    np.testing.assert_array_equal(padded[0, 0].numpy(), [[0] * 5, [0, 1, 2, 3, 0], [0] * 5])


def test_stride_1_is_symmetric_padding() -> None:
    for kernel in (1, 3, 5, 7):
        assert same_padding(9, kernel_size=kernel, stride=1) == (kernel // 2, kernel // 2)


def test_gradient_and_layout() -> None:
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    module = SamePad2d(3, 2)
    assert torch.autograd.gradcheck(module, (x,))
    assert torch.equal(module(x.to(memory_format=torch.channels_last)), module(x))


def test_costs_no_arithmetic_and_says_what_it_is() -> None:
    module = SamePad2d(3, 2)
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (1, 2, 4, 4)) == Cost()
    assert "kernel_size=3, stride=2" in repr(module)


def test_refuses_a_stride_of_0() -> None:
    with pytest.raises(UsageError, match="stride=0 is too small"):
        SamePad2d(3, 0)
