"""Squeeze-and-excitation against NumPy, with both pairs of activations."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.squeeze_excite import Pointwise, SqueezeExcite, squeeze_excite


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("act", "gate", "np_act", "np_gate"),
    [
        (F.silu, torch.sigmoid, lambda x: x * sigmoid(x), sigmoid),
        (F.relu, F.hardsigmoid, lambda x: x.clip(0), lambda x: (x + 3).clip(0, 6) / 6),
    ],
)
def test_is_the_formula(act: Pointwise, gate: Pointwise, np_act, np_gate) -> None:
    torch.manual_seed(0)
    module = SqueezeExcite(6, 2, act=act, gate=gate).double()
    torch.nn.init.normal_(module.reduce_bias)
    torch.nn.init.normal_(module.expand_bias)
    x = torch.randn(3, 6, 5, 4, dtype=torch.float64)
    w1, w2 = (w.detach().numpy()[:, :, 0, 0] for w in (module.reduce_weight, module.expand_weight))
    b1, b2 = (b.detach().numpy() for b in (module.reduce_bias, module.expand_bias))
    mean_NC = x.numpy().mean(axis=(2, 3))
    gates_NC = np_gate(np_act(mean_NC @ w1.T + b1) @ w2.T + b2)
    expected = x.numpy() * gates_NC[:, :, None, None]
    np.testing.assert_allclose(module(x).detach().numpy(), expected, atol=1e-12)
    reduce, expand = (module.reduce_weight, module.reduce_bias), (module.expand_weight,)
    again = squeeze_excite(x, reduce, (*expand, module.expand_bias), act=act, gate=gate)
    assert torch.equal(again, module(x))


def test_no_weight_and_a_large_bias_change_nothing() -> None:
    module = SqueezeExcite(4, 1)
    torch.nn.init.zeros_(module.expand_weight)
    torch.nn.init.constant_(module.expand_bias, 50.0)
    x = torch.randn(2, 4, 3, 3)
    assert torch.equal(module(x), x)


def test_gradients() -> None:
    module = SqueezeExcite(3, 2, act=F.silu).double()
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))


def test_refuses_nothing_to_squeeze_into() -> None:
    with pytest.raises(UsageError, match="squeezed=0 is too small"):
        SqueezeExcite(3, 0)
