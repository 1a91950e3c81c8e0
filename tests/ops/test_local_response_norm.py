"""LRN against loops, its gradient by finite differences and by the formula, both conventions."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.ops.local_response_norm import LocalResponseNorm, local_response_norm


def naive(a: np.ndarray, *, n: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """The paper's formula, one number at a time."""
    _, channels, _, _ = a.shape
    b = np.empty_like(a)
    for i in range(channels):
        low, high = max(0, i - n // 2), min(channels - 1, i + n // 2)
        b[:, i] = a[:, i] / (k + alpha * (a[:, low : high + 1] ** 2).sum(axis=1)) ** beta
    return b


@pytest.mark.parametrize(("channels", "size"), [(7, 5), (12, 9), (3, 5), (4, 1)])
def test_equals_numpy(channels: int, size: int) -> None:
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64)
    expected = naive(x.numpy(), n=size, alpha=0.3, beta=0.75, k=2.0)
    got = local_response_norm(x, size=size, alpha=0.3)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


def test_module_is_the_function_in_both_layouts() -> None:
    words = {"alpha": 0.2, "beta": 0.5, "k": 1.5, "groups": 2, "convention": "released"}
    module = LocalResponseNorm(3, **words)
    x = torch.randn(2, 8, 4, 5)
    expected = local_response_norm(x, size=3, **words)
    assert torch.equal(module(x), expected)
    nhwc = module(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(nhwc, expected)
    assert "3, alpha=0.2, beta=0.5, k=1.5, groups=2, convention=released" in repr(module)


def test_defaults_are_the_constants_of_the_paper() -> None:
    x = 50 * torch.randn(1, 9, 2, 2, dtype=torch.float64)
    expected = naive(x.numpy(), n=5, alpha=1e-4, beta=0.75, k=2.0)
    np.testing.assert_allclose(LocalResponseNorm()(x).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("convention", ["paper", "released"])
def test_conventions_against_torch(convention: str) -> None:
    """torch divides alpha by the size: the paper's formula at 1e-4 is torch's at 5e-4."""
    x = 50 * torch.randn(2, 9, 3, 3, dtype=torch.float64)
    alpha = 5e-4 if convention == "paper" else 1e-4
    expected = F.local_response_norm(x, 5, alpha=alpha, beta=0.75, k=2.0)
    torch.testing.assert_close(local_response_norm(x, convention=convention), expected)


def test_does_not_cross_a_column() -> None:
    x = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    columns = [local_response_norm(half, alpha=0.5) for half in x.chunk(2, dim=1)]
    torch.testing.assert_close(local_response_norm(x, alpha=0.5, groups=2), torch.cat(columns, 1))
    assert not torch.allclose(local_response_norm(x, alpha=0.5), torch.cat(columns, 1))


def test_alpha_0_divides_by_a_constant() -> None:
    x = torch.randn(1, 6, 2, 2)
    torch.testing.assert_close(local_response_norm(x, alpha=0.0), x / 2**0.75)


def test_one_active_channel() -> None:
    x = torch.zeros(1, 9, 1, 1, dtype=torch.float64)
    x[0, 4] = 3.0
    expected = torch.zeros_like(x)
    expected[0, 4] = 3.0 / (2.0 + 0.1 * 9.0) ** 0.75
    torch.testing.assert_close(local_response_norm(x, alpha=0.1), expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_gradient_by_finite_differences(groups: int) -> None:
    x = torch.randn(1, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda t: local_response_norm(t, size=3, alpha=0.7, groups=groups), (x,)
    )


def test_gradient_is_the_formula() -> None:
    """g_i d_i^-b - 2 alpha b a_i * the sum of g_j a_j d_j^(-b - 1) over the window."""
    a = torch.randn(1, 7, 2, 2, dtype=torch.float64, requires_grad=True)
    g = torch.randn(1, 7, 2, 2, dtype=torch.float64)
    alpha, beta = 0.4, 0.75
    local_response_norm(a, alpha=alpha).backward(g)
    x = a.detach()
    windows = [slice(max(0, i - 2), i + 3) for i in range(7)]
    d = 2.0 + alpha * torch.stack([(x[:, w] ** 2).sum(dim=1) for w in windows], dim=1)
    inner = g * x * d ** (-beta - 1)
    sums = torch.stack([inner[:, w].sum(dim=1) for w in windows], dim=1)
    torch.testing.assert_close(a.grad, g * d**-beta - 2 * alpha * beta * x * sums)


def test_refuses() -> None:
    with pytest.raises(UsageError, match="size=4 is no odd side"):
        LocalResponseNorm(4)
    with pytest.raises(ShapeError, match=r"2 groups .* got 5"):
        LocalResponseNorm(groups=2)(torch.zeros(1, 5, 1, 1))
    with pytest.raises(UsageError, match="'caffe' is not offered: take 'paper' or 'released'"):
        LocalResponseNorm(convention="caffe")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"size": 0}, "size=0 is no odd side"),
        ({"size": -3}, "size=-3 is no odd side"),
        ({"groups": 0}, "groups=0 is too small"),
        ({"groups": -2}, "groups=-2 is too small"),
        ({"alpha": -0.1}, r"alpha >= 0, beta > 0 and k > 0, got alpha=-0\.1, beta=0\.75, k=2\.0"),
        ({"beta": 0.0}, r"beta=0\.0"),
        ({"k": 0.0}, r"k=0\.0"),
        ({"k": float("nan")}, "k=nan"),
    ],
)
def test_refuses_nonsense_when_built(words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LocalResponseNorm(**words)
