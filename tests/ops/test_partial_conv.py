"""PConv against NumPy, its identities of the paper, and its refusals."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.costs import formula_for
from fleetfoot.core.errors import ShapeError
from fleetfoot.ops.partial_conv import PartialConv2d, partial_conv


def naive(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The definition, one output number at a time."""
    _, mixed, kernel, _ = weight.shape
    edge = kernel // 2
    padded = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    out = x.copy()
    for n, o, i, j in np.ndindex(x.shape[0], mixed, x.shape[2], x.shape[3]):
        out[n, o, i, j] = (padded[n, :mixed, i : i + kernel, j : j + kernel] * weight[o]).sum()
    return out


@pytest.mark.parametrize(("channels", "size", "kernel"), [(8, (5, 7), 3), (7, (1, 4), 5)])
def test_equals_numpy(channels: int, size: tuple[int, int], kernel: int) -> None:
    x = torch.randn(2, channels, *size, dtype=torch.float64)
    weight = torch.randn(channels // 4, channels // 4, kernel, kernel, dtype=torch.float64)
    expected = naive(x.numpy(), weight.numpy())
    np.testing.assert_allclose(partial_conv(x, weight).numpy(), expected, atol=1e-12)


def test_module_is_the_function_in_both_layouts() -> None:
    module = PartialConv2d(12)
    x = torch.randn(2, 12, 6, 5)
    expected = partial_conv(x, module.weight)
    assert torch.equal(module(x), expected)
    nhwc = module(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(nhwc, expected)


def test_gradient() -> None:
    x = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(partial_conv, (x, weight))


def test_pconv_then_pointwise_is_the_t_shaped_convolution() -> None:
    channels, mixed = 8, 2
    filters = torch.randn(mixed, mixed, 3, 3, dtype=torch.float64)
    pointwise = torch.randn(5, channels, dtype=torch.float64)
    dense = torch.zeros(5, channels, 3, 3, dtype=torch.float64)
    dense[:, :mixed] = torch.einsum("oq,qpij->opij", pointwise[:, :mixed], filters)
    dense[:, mixed:, 1, 1] = pointwise[:, mixed:]
    x = torch.randn(1, channels, 6, 6, dtype=torch.float64)
    two_steps = F.conv2d(partial_conv(x, filters), pointwise[:, :, None, None])
    torch.testing.assert_close(two_steps, F.conv2d(x, dense, padding=1))


def test_whole_width_is_a_plain_convolution() -> None:
    module = PartialConv2d(4, divisor=1)
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(module(x), F.conv2d(x, module.weight, padding=1))


def test_cost_is_that_of_table_1() -> None:
    """Ten layers at 96 x 56 x 56: 162 M."""
    module = PartialConv2d(96)
    formula = formula_for(module)
    assert formula is not None
    assert 10 * formula(module, (1, 96, 56, 56)).macs == 10 * 56 * 56 * 9 * 24 * 24 == 162_570_240


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"channels": 3}, "at least 4"),
        ({"channels": -8}, "1/4 of -8 channels"),
        ({"channels": 8, "divisor": 0}, "1/0 of 8 channels"),
    ],
)
def test_refuses(words: dict[str, int], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        PartialConv2d(words.pop("channels"), **words)


def test_refuses_filters_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="P <= 4"):
        partial_conv(torch.zeros(1, 4, 3, 3), torch.zeros(5, 5, 3, 3))
    with pytest.raises(ShapeError, match=r"\(2, 1, 3, 3\)"):
        partial_conv(torch.zeros(1, 4, 3, 3), torch.zeros(2, 1, 3, 3))
    with pytest.raises(ShapeError, match=r"odd K, got \(2, 2, 2, 2\)"):
        partial_conv(torch.zeros(1, 4, 3, 3), torch.zeros(2, 2, 2, 2))
    with pytest.raises(ShapeError, match=r"got \(2, 2, 1, 3\)"):
        partial_conv(torch.zeros(1, 4, 3, 3), torch.zeros(2, 2, 1, 3))


def test_says_what_it_is() -> None:
    assert "8, convolved=2, kernel=3" in repr(PartialConv2d(8))
