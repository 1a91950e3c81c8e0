"""Every activation and its slope against torch in float64; the fits of GELU against new ones."""

import functools
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit

from fleetfoot.kernels.activations import ACTIVATIONS, GELU_EDGE
from fleetfoot.kernels.elements import FASTMATH
from tests.kernels.exact_activations import EXACT

GRID = np.linspace(-12, 12, 48_001).astype(np.float32)  # with 0 and every kink
INSIDE = abs(GRID) <= GELU_EDGE
CLOSE = 4e-6


@functools.cache
def compiled(activation: str) -> Any:
    value, slope = ACTIVATIONS[activation]

    @njit(fastmath=FASTMATH)
    def sweep(x, values, slopes):
        for i in range(len(x)):
            values[i] = value(x[i])
            slopes[i] = slope(x[i])

    return sweep


def swept(activation: str, numbers: Any = GRID) -> tuple[np.ndarray, np.ndarray]:
    """Return values and slopes as a kernel computes them."""
    x = np.asarray(numbers, np.float32)
    values, slopes = np.empty_like(x), np.empty_like(x)
    compiled(activation)(x, values, slopes)
    return values, slopes


def exact(activation: str) -> tuple[np.ndarray, np.ndarray]:
    x = torch.from_numpy(GRID).double().requires_grad_()
    values = EXACT[activation](x)
    values.sum().backward()
    assert x.grad is not None
    return values.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("activation", sorted({*ACTIVATIONS} - {"gelu"}))
def test_value_and_slope_are_those_of_torch(activation: str) -> None:
    for found, expected in zip(swept(activation), exact(activation), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE)


def test_gelu_is_close_where_it_is_fitted_and_almost_straight_beyond() -> None:
    values, slopes = (abs(f - e) for f, e in zip(swept("gelu"), exact("gelu"), strict=True))
    assert values[INSIDE].max() < 2e-5
    assert slopes[INSIDE].max() < 1.2e-5
    assert (values[~INSIDE] / abs(GRID[~INSIDE])).max() < 1e-5
    assert slopes[~INSIDE].max() < 1e-4


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_nan_stays_nan_and_large_numbers_stay_finite(activation: str) -> None:
    values, slopes = swept(activation, [np.nan, 1e4, -1e4, 3e38, -3e38])
    assert np.isnan(values[0])
    assert np.isfinite(values[1:]).all()
    assert np.isfinite(slopes[1:]).all()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_infinity_stays_infinite_where_the_activation_grows(activation: str) -> None:
    (value,), _ = swept(activation, [np.inf])
    assert value == (6 if activation == "relu6" else np.inf)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_what_cuts_off_cuts_off_infinity(activation: str) -> None:
    values, slopes = swept(activation, [-np.inf])
    assert values.tolist() == slopes.tolist() == [0.0]


def error_of_a_new_fit(expected: np.ndarray, x: np.ndarray, *, degree: int) -> float:
    """Return the largest error of 1/2 + x p(x^2) with the best polynomial of a degree.

    Least squares, with weights that grow where the error is large (Lawson's iteration).
    """
    terms = np.polynomial.chebyshev.chebvander(2 * (x / x[-1]) ** 2 - 1, degree) * x[:, None]
    weights = np.full(len(x), 1 / len(x))
    largest = np.inf
    for _ in range(100):
        scale = np.sqrt(weights)
        fit = np.linalg.lstsq(terms * scale[:, None], (expected - 0.5) * scale, rcond=None)[0]
        errors = abs(0.5 + terms @ fit - expected)
        largest = min(largest, errors.max())
        weights *= errors / (weights @ errors)
    return largest


def test_the_fits_of_gelu_are_as_good_as_new_ones() -> None:
    x32 = (GELU_EDGE * np.sin(np.linspace(0, np.pi / 2, 601)[1:])).astype(np.float32)
    x = x32.astype(np.float64)
    values, slopes = swept("gelu", x32)
    below = 0.5 * (1 + torch.erf(torch.from_numpy(x) / 2**0.5).numpy())  # P(X <= x)
    slope = below + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    assert abs(values / x - below).max() < 1.5 * error_of_a_new_fit(below, x, degree=9)
    assert abs(slopes - slope).max() < 1.5 * error_of_a_new_fit(slope, x, degree=10)
    assert abs(values / x - below).max() < CLOSE
