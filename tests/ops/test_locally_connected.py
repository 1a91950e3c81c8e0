"""Unshared filters against loops, against a convolution, and their refusals."""

import numpy as np
import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.ops.locally_connected import LocallyConnected2d, locally_connected


def naive(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The definition, one position at a time."""
    height, width, channels, window = weight.shape
    kernel = round((window / x.shape[1]) ** 0.5)
    edge = kernel // 2
    padded = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    out = np.empty((x.shape[0], channels, height, width))
    for n, i, j in np.ndindex(x.shape[0], height, width):
        seen = padded[n, :, i : i + kernel, j : j + kernel].reshape(-1)
        out[n, :, i, j] = weight[i, j] @ seen + bias[i, j]
    return out


@pytest.mark.parametrize(("size", "kernel"), [((4, 5), 3), ((3, 3), 5), ((2, 1), 1)])
def test_equals_numpy(size: tuple[int, int], kernel: int) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    module = LocallyConnected2d(3, 4, size, kernel_size=kernel).double()
    weight, bias = (p.detach().numpy() for p in (module.weight, module.bias))
    assert weight.shape == (*size, 4, 3 * kernel**2)
    assert bias.shape == (*size, 4)
    with torch.no_grad():
        np.testing.assert_allclose(module(x).numpy(), naive(x.numpy(), weight, bias), atol=1e-12)


def test_with_one_filter_everywhere_is_a_convolution() -> None:
    conv = torch.nn.Conv2d(3, 5, 3, padding=1)
    x = torch.randn(2, 3, 6, 4)
    weight = conv.weight.flatten(1).expand(6, 4, 5, 27)
    bias = conv.bias.expand(6, 4, 5)
    torch.testing.assert_close(locally_connected(x, weight, bias), conv(x))


def test_module_is_the_function_in_both_layouts() -> None:
    module = LocallyConnected2d(3, 2, (5, 4))
    x = torch.randn(2, 3, 5, 4)
    expected = locally_connected(x, module.weight, module.bias)
    assert torch.equal(module(x), expected)
    nhwc = module(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(nhwc, expected)
    assert "3, 2, size=(5, 4), kernel=3" in repr(module)


def test_gradient() -> None:
    tensors = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 2, 3, 2), (3, 2, 3, 18), (3, 2, 3))
    ]
    assert torch.autograd.gradcheck(locally_connected, tensors)


def test_cost_is_one_multiply_a_weight() -> None:
    module = LocallyConnected2d(64, 32, (6, 6))
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (2, 64, 6, 6)) == Cost(2 * 36 * 32 * 576, 2 * 36 * 32)


def test_refuses() -> None:
    module = LocallyConnected2d(3, 2, (5, 4))
    with pytest.raises(ShapeError, match="5 x 4 positions got a map of 4 x 5"):
        module(torch.zeros(1, 3, 4, 5))
    with pytest.raises(ShapeError, match="27 numbers do not fit 4 channels"):
        module(torch.zeros(1, 4, 5, 4))
    with pytest.raises(UsageError, match="kernel_size=2 is no odd side"):
        LocallyConnected2d(3, 2, (5, 4), kernel_size=2)


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "size", "kernel", "message"),
    [
        (0, 2, (5, 4), 3, "in_channels=0 is too small"),
        (3, -2, (5, 4), 3, "out_channels=-2 is too small"),
        (3, 2, (0, 4), 3, "size=0 is too small"),
        (3, 2, (5, 4), 0, "kernel_size=0 is no odd side"),
        (3, 2, (5, 4), -1, "kernel_size=-1 is no odd side"),
    ],
)
def test_refuses_nonsense_when_built(
    channels_in: int, channels_out: int, size: tuple[int, int], kernel: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        LocallyConnected2d(channels_in, channels_out, size, kernel_size=kernel)
