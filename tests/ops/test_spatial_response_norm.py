"""Response norm over space against loops, its gradient and its refusal."""

from typing import Any

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.spatial_response_norm import SpatialResponseNorm, spatial_response_norm


def naive(x: np.ndarray, *, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """The definition, one number at a time."""
    edge = size // 2
    out = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        window = x[n, c, max(0, i - edge) : i + edge + 1, max(0, j - edge) : j + edge + 1]
        out[n, c, i, j] = x[n, c, i, j] / (k + alpha / size**2 * (window**2).sum()) ** beta
    return out


@pytest.mark.parametrize("size", [1, 3, 5])
def test_equals_numpy(size: int) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    words = {"size": size, "alpha": 0.8, "beta": 0.6, "k": 1.5}
    expected = naive(x.numpy(), **words)
    np.testing.assert_allclose(spatial_response_norm(x, **words).numpy(), expected, rtol=1e-12)
    assert torch.equal(SpatialResponseNorm(**words)(x), spatial_response_norm(x, **words))


def test_gradient_and_layout() -> None:
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: spatial_response_norm(t, alpha=0.9), (x,))
    module = SpatialResponseNorm(alpha=0.9)
    nhwc = module(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(nhwc, module(x))


def test_says_what_it_is_and_refuses_an_even_window() -> None:
    assert "3, alpha=5e-05, beta=0.75, k=1.0" in repr(SpatialResponseNorm())
    with pytest.raises(UsageError, match="size=2 is no odd side"):
        spatial_response_norm(torch.zeros(1, 1, 3, 3), size=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"size": 2}, "size=2 is no odd side"),
        ({"size": 0}, "size=0 is no odd side"),
        ({"size": -1}, "size=-1 is no odd side"),
        ({"alpha": -1.0}, r"alpha=-1\.0"),
        ({"beta": -0.5}, r"beta=-0\.5"),
        ({"k": 0.0}, r"alpha >= 0, beta > 0 and k > 0, got .* k=0\.0"),
    ],
)
def test_refuses_nonsense_when_built(words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SpatialResponseNorm(**words)
