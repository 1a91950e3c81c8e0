import math

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.binary_weight import binary_weight, mean_size, recu_weight


def latent(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.7, shape)).requires_grad_()


def test_the_gradient_reaches_the_latent_weight_unchanged():
    weight, above = latent(4, 3, 3, 3), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    found = binary_weight(weight)
    assert found.unique().tolist() == [-1, 1]
    (found * above).sum().backward()
    torch.testing.assert_close(weight.grad, above)


@pytest.mark.parametrize("scale", ["layer", "filter"])
def test_the_scale_is_a_mean_size_without_a_gradient(scale: str):
    weight, above = latent(4, 3, 3, 3), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    size = np.abs(weight.detach().numpy())
    mean = size.mean() if scale == "layer" else size.reshape(4, -1).mean(axis=1)
    expected = np.broadcast_to(np.reshape(mean, (-1, 1, 1, 1)), size.shape)
    found = binary_weight(weight, slope="window", scale=scale)
    np.testing.assert_allclose(found.detach().abs().numpy(), expected)
    (found * above).sum().backward()
    inside = weight.detach().abs() <= 1
    torch.testing.assert_close(weight.grad, above * torch.from_numpy(expected.copy()) * inside)
    assert not mean_size(weight, each=False).requires_grad


@pytest.mark.parametrize("tau", [0.85, 0.99])
def test_clamped_tails_get_no_gradient(tau: float):
    weight = latent(16, 8, 3, 3)
    w = weight.detach().numpy()
    centred = w - w.mean(axis=(1, 2, 3), keepdims=True)
    even = 2 * np.sqrt(2) * centred / np.sqrt(centred.var(axis=(1, 2, 3), ddof=1, keepdims=True))
    edge = -math.log(2 - 2 * tau) * np.abs(even).mean()
    found = recu_weight(weight, tau)
    np.testing.assert_array_equal(found.detach().numpy(), np.where(even >= 0, 1, -1))
    above = torch.zeros_like(found)
    place = np.unravel_index(np.argmax(np.abs(even)), even.shape)
    above[tuple(int(i) for i in place)] = 1
    (found * above).sum().backward()
    assert np.abs(even).max() > edge
    assert weight.grad is not None
    assert weight.grad.abs().max() == 0


def test_of_a_laplace_law_twice_one_minus_tau_is_clamped():
    values = np.random.default_rng(0).laplace(size=(8, 20_000))
    weight = torch.from_numpy(values).requires_grad_()
    recu_weight(weight, 0.9).sum().backward()
    even = values / values.std(axis=1, ddof=1, keepdims=True)
    edge = -math.log(2 - 2 * 0.9) * np.abs(even).mean()
    assert (np.abs(even) > edge).mean() == pytest.approx(2 * (1 - 0.9), abs=0.01)


def test_arguments():
    with pytest.raises(UsageError, match="scale='row' is not offered"):
        binary_weight(latent(2, 2), scale="row")
    with pytest.raises(UsageError, match=r"tau=0\.5 is not between 0\.5 and 1"):
        recu_weight(latent(2, 2), 0.5)
    with pytest.raises(UsageError, match="a filter of one weight has no deviation"):
        recu_weight(latent(2, 1), 0.9)
