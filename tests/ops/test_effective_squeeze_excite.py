"""eSE against its formula in NumPy, and the gate that lets everything through."""

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.effective_squeeze_excite import (
    EffectiveSqueezeExcite,
    effective_squeeze_excite,
)


def test_equals_numpy() -> None:
    torch.manual_seed(0)
    module = EffectiveSqueezeExcite(5).double()
    with torch.no_grad():
        module.bias.copy_(torch.tensor([-5.0, -1.0, 0.0, 1.0, 5.0]))  # both ends of the gate too
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    weight, bias, values = (t.detach().numpy() for t in (module.weight[:, :, 0, 0], module.bias, x))
    expected = np.empty_like(values)
    for n in range(2):
        means = [values[n, c].sum() / 12 for c in range(5)]
        for c in range(5):
            t = sum(weight[c, d] * means[d] for d in range(5)) + bias[c]
            expected[n, c] = values[n, c] * min(max(t + 3, 0), 6) / 6
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-12)


def test_zero_weights_and_a_bias_of_three_are_the_identity() -> None:
    x = torch.randn(2, 4, 3, 3)
    assert torch.equal(
        effective_squeeze_excite(x, torch.zeros(4, 4, 1, 1), torch.full((4,), 3.0)), x
    )


def test_gradient() -> None:
    torch.manual_seed(0)
    module = EffectiveSqueezeExcite(3).double()
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        effective_squeeze_excite, (x, module.weight, module.bias.detach().requires_grad_())
    )


def test_refuses_no_channels() -> None:
    with pytest.raises(UsageError, match="channels=0 is too small"):
        EffectiveSqueezeExcite(0)
