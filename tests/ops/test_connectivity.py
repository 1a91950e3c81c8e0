import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.connectivity import (
    LEAK,
    PROXIES,
    connected,
    kept_share,
    masked_weight,
    normalise_features,
)


def gradient_of(x: torch.Tensor) -> np.ndarray:
    assert x.grad is not None
    return x.grad.numpy()


def test_a_variable_of_zero_is_off():
    assert connected(torch.tensor([-1.0, 0.0, 1e-9])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", PROXIES)
def test_both_gradients(name: str):
    draw = np.random.default_rng(0)
    weight, mask, above = (torch.from_numpy(draw.normal(0, 2, (3, 4, 2))) for _ in range(3))
    weight.requires_grad_()
    mask.requires_grad_()
    found = masked_weight(weight, mask, PROXIES[name])
    w, m, g = weight.detach().numpy(), mask.detach().numpy(), above.numpy()
    np.testing.assert_array_equal(found.detach().numpy(), w * (m > 0))
    (found * above).sum().backward()
    np.testing.assert_allclose(gradient_of(weight), g * (m > 0))
    values = {
        "identity": lambda m: m,
        "leaky": lambda m: F.leaky_relu(m, LEAK),
        "softplus": F.softplus,
        "window": F.hardtanh,
    }
    plain = mask.detach().requires_grad_()
    values[name](plain).sum().backward()
    np.testing.assert_allclose(gradient_of(mask), g * w * gradient_of(plain))


@pytest.mark.parametrize(
    ("norm", "size"),
    [
        ("rms", lambda g: np.sqrt((g**2).mean(axis=1))),
        ("l2", lambda g: np.sqrt((g**2).sum(axis=1))),
        ("max", lambda g: np.abs(g).max(axis=1)),
    ],
)
def test_every_feature_has_one_size(norm: str, size: Callable[[np.ndarray], np.ndarray]):
    gradient = torch.randn(5, 3, 2, 2) * torch.tensor([1e-6, 1e-3, 1.0, 1e3, 0.0]).view(5, 1, 1, 1)
    found = normalise_features(gradient, norm).flatten(1).numpy()
    np.testing.assert_allclose(size(found), [1, 1, 1, 1, 0], rtol=1e-5)
    alike = F.cosine_similarity(torch.from_numpy(found[:4]), gradient[:4].flatten(1))
    torch.testing.assert_close(alike, torch.ones(4))
    assert torch.equal(normalise_features(gradient, "none"), gradient)


def test_with_everything_connected_it_is_the_dense_layer():
    torch.manual_seed(0)
    weight, x = torch.randn(4, 6, requires_grad=True), torch.randn(3, 6)
    F.linear(x, masked_weight(weight, torch.full((4, 6), 0.3))).square().sum().backward()
    dense = weight.detach().requires_grad_()
    F.linear(x, dense).square().sum().backward()
    np.testing.assert_array_equal(gradient_of(weight), gradient_of(dense))


def settled(proxy: str, gains: torch.Tensor, first: torch.Tensor, *, penalty: float):
    """Learn the mask for a loss of -gains @ U(m) plus a penalty on each connection."""
    mask, weight = first.clone().requires_grad_(), torch.ones_like(gains)
    for _ in range(400):
        loss = -(masked_weight(weight, mask, PROXIES[proxy]) * gains).sum()
        (gradient,) = torch.autograd.grad(loss, mask)
        with torch.no_grad():
            mask -= 0.1 * (gradient + penalty * PROXIES[proxy](mask))
    return connected(mask.detach())


@pytest.mark.parametrize("proxy", PROXIES)
def test_positive_proxies_find_the_best_mask_and_the_windowed_one_does_not(proxy: str):
    gains, penalty = torch.tensor([-0.5, 0.2, 0.9, 1.3]), 0.3
    best = min(
        itertools.product([0.0, 1.0], repeat=4),
        key=lambda u: sum((penalty - gain) * ui for ui, gain in zip(u, gains.tolist())),
    )
    far = torch.tensor([2.0, 2.0, -2.0, -2.0])  # all wrong, and beyond the window
    found = tuple(settled(proxy, gains, far, penalty=penalty).tolist())
    assert (found == best) is (proxy != "window")


def test_a_large_penalty_disconnects_after_as_many_steps_as_it_says():
    mask, rate, penalty = torch.full((3,), 0.5), 0.1, 0.25
    steps = 0
    while connected(mask).any():
        mask = mask - rate * penalty
        steps += 1
    assert steps == 0.5 / (rate * penalty)


def test_what_is_kept_and_arguments():
    assert kept_share([torch.tensor([1.0, -1.0]), torch.tensor([2.0, 3.0])]) == 0.75
    assert kept_share([]) == 0
    with pytest.raises(UsageError, match="norm='l3' is not offered"):
        normalise_features(torch.ones(2, 2), "l3")
