"""mlpconv: function = module, loops over positions, cost formula = counted operators."""

import numpy as np
import pytest
import torch

from fleetfoot.blocks.mlpconv import MLPConv, mlpconv
from fleetfoot.core.costs import formula_for
from fleetfoot.core.errors import ShapeError
from fleetfoot.measure.counts import count


def layers_of(module: MLPConv) -> list[tuple[torch.Tensor, torch.Tensor]]:
    convs = [layer for layer in module if isinstance(layer, torch.nn.Conv2d)]
    return [(conv.weight, conv.bias) for conv in convs]


@pytest.mark.parametrize(
    ("stride", "padding"), [(1, None), (1, 0), (4, 0), (2, 1)], ids=lambda v: str(v)
)
def test_function_module_and_formula_agree(stride: int, padding: int | None) -> None:
    module = MLPConv(3, (8, 6, 4), kernel_size=5, stride=stride, padding=padding).double()
    x = torch.randn(2, 3, 11, 9, dtype=torch.float64)
    pad = 2 if padding is None else padding
    got = mlpconv(x, layers_of(module), stride=stride, padding=pad)
    torch.testing.assert_close(module(x), got)
    cost = formula_for(module)(module, (1, 3, 11, 9))
    counted = count(module, (3, 11, 9))
    assert (cost.macs, cost.elementwise_ops) == (counted.macs, counted.elementwise_ops)


def test_is_a_perceptron_of_each_patch() -> None:
    """Plain NumPy: one patch at a time through three fully connected layers."""
    module = MLPConv(2, (5, 4, 3), kernel_size=3).double()
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    padded = np.pad(x.numpy(), ((0, 0), (1, 1), (1, 1)))
    expected = np.empty((3, 7, 6))
    for i in range(7):
        for j in range(6):
            answer = padded[:, i : i + 3, j : j + 3].ravel()
            for weight, bias in layers_of(module):
                matrix = weight.detach().numpy().reshape(len(bias), -1)
                answer = np.maximum(matrix @ answer + bias.detach().numpy(), 0)
            expected[:, i, j] = answer
    np.testing.assert_allclose(module(x[None])[0].detach().numpy(), expected, atol=1e-12)


def test_a_1x1_layer_is_a_linear_layer_on_the_channels() -> None:
    mix = MLPConv(2, (5, 4), kernel_size=3).mix1
    h = torch.randn(1, 5, 3, 3)
    linear = torch.nn.functional.linear(h.movedim(1, -1), mix.weight[:, :, 0, 0], mix.bias)
    torch.testing.assert_close(mix(h), linear.movedim(-1, 1))


def test_gradients() -> None:
    module = MLPConv(2, (3, 2), kernel_size=3).double()
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    tensors = [t for pair in layers_of(module) for t in pair]
    pairs = lambda t: [(t[0], t[1]), (t[2], t[3])]  # noqa: E731
    assert torch.autograd.gradcheck(lambda x, *t: mlpconv(x, pairs(t), padding=1), (x, *tensors))


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="at least one layer"):
        MLPConv(3, (), kernel_size=3)
    with pytest.raises(ShapeError, match="kernel_size=4 needs padding"):
        MLPConv(3, (4,), kernel_size=4)


@pytest.mark.parametrize(
    ("in_channels", "channels", "words", "message"),
    [
        (0, (4,), {"kernel_size": 3}, "got 0 to 4, kernel_size=3"),
        (3, (4, -2), {"kernel_size": 3}, "got 3 to 4, -2"),
        (3, (4,), {"kernel_size": -3}, "kernel_size=-3"),
        (3, (4,), {"kernel_size": 3, "stride": 0}, "stride=0"),
        (3, (4,), {"kernel_size": 3, "padding": -1}, "padding=-1"),
    ],
)
def test_refuses_nonsense(
    in_channels: int, channels: tuple[int, ...], words: dict[str, int], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        MLPConv(in_channels, channels, **words)
