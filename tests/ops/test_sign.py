import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.sign import (
    SLOPES,
    Sign,
    binarise,
    binarise_at_random,
    identity,
    polynomial,
    sign,
    swish,
    window,
)


def gradient(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    function(x).sum().backward()
    assert x.grad is not None
    return x.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_both_zeros_and_everything_above_are_plus_one(dtype: torch.dtype):
    x = torch.tensor([-math.inf, -1.0, -1e-7, -0.0, 0.0, 1e-7, 3.0, math.inf], dtype=dtype)
    if dtype == torch.float16:
        x[2], x[5] = -1e-4, 1e-4
    assert sign(x).tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    assert sign(x).dtype == dtype


@pytest.mark.parametrize("name", SLOPES)
def test_the_gradient_is_the_one_above_times_the_slope(name: str):
    x = torch.linspace(-2, 2, 41, dtype=torch.float64)
    above = torch.linspace(1, 3, 41, dtype=torch.float64)
    found = gradient(lambda x: binarise(x, SLOPES[name]) * above, x)
    torch.testing.assert_close(found, above * SLOPES[name](x), rtol=0, atol=0)


def test_slopes_by_hand():
    x = torch.tensor([-1.5, -1.0, -0.25, 0.0, 0.5, 1.0, 1.5])
    assert identity(x).tolist() == [1] * 7
    assert window(x).tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert polynomial(x).tolist() == [0, 0, 1.5, 2, 1, 0, 0]


def test_the_window_is_the_slope_of_the_hard_tanh():
    x = torch.linspace(-2, 2, 40)  # without its corners, where torch has the other side's slope
    torch.testing.assert_close(window(x), gradient(F.hardtanh, x))


def test_the_slope_of_swish_sign_is_that_of_its_function():
    def swish_sign(x: torch.Tensor) -> torch.Tensor:
        u = 5 * x
        return 2 * torch.sigmoid(u) * (1 + u * (1 - torch.sigmoid(u))) - 1

    x = torch.linspace(-3, 3, 61, dtype=torch.float64)
    torch.testing.assert_close(swish(x), gradient(swish_sign, x))
    # As Larq writes it.
    larq = 5 * (2 - 5 * x * torch.tanh(5 * x / 2)) / (1 + torch.cosh(5 * x))
    torch.testing.assert_close(swish(x), larq)


def test_the_mean_of_drawn_signs_is_the_clipped_number():
    torch.manual_seed(0)
    x = torch.tensor([-2.0, -1.0, -0.6, 0.0, 0.3, 1.0, 5.0])
    drawn = binarise_at_random(x.expand(20_000, 7))
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(drawn.mean(dim=0), x.clamp(-1, 1), rtol=0, atol=0.03)
    assert (drawn[:, [0, 1]] == -1).all()
    assert (drawn[:, [5, 6]] == 1).all()


def test_a_drawn_sign_learns_by_the_window():
    x = torch.linspace(-2, 2, 21)
    torch.testing.assert_close(gradient(binarise_at_random, x), window(x))


def test_a_layer_draws_in_training_alone():
    torch.manual_seed(0)
    layer, x = Sign(stochastic=True), torch.full((1000,), 0.5)
    assert set(layer(x).tolist()) == {-1.0, 1.0}
    assert set(layer.eval()(x).tolist()) == {1.0}
    assert repr(layer) == "Sign(window, stochastic=True)"


def test_a_slope_that_is_not_offered():
    with pytest.raises(UsageError, match="slope='tanh' is not offered"):
        Sign("tanh")
    with pytest.raises(UsageError, match="a drawn sign learns by the slope 'window' alone"):
        Sign("swish", stochastic=True)
