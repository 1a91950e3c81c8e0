import math

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.sign import binarise, sign
from fleetfoot.ops.sine_series import SineSlope, sine_series, sine_slope, squared_error


def summed(t: np.ndarray, n: int, period: float) -> np.ndarray:
    w = 2 * np.pi / period
    return 4 * w / np.pi * np.sum([np.cos((2 * i + 1) * w * t) for i in range(n + 1)], axis=0)


@pytest.mark.parametrize("n", [0, 1, 4, 9, 18, 32])
@pytest.mark.parametrize("period", [2.0, 4.0])
def test_the_closed_form_is_the_sum_of_cosines(n: int, period: float):
    t = np.concatenate([np.random.default_rng(n).uniform(-5, 5, 500), [0.0, 1e-6, 2.0, -2.0, 1.0]])
    found = sine_slope(torch.from_numpy(t), n, period=period).numpy()
    np.testing.assert_allclose(found, summed(t, n, period), rtol=0, atol=1e-4 * (n + 1) / 33)


def test_it_is_the_derivative_of_the_series():
    t = torch.linspace(-1.9, 1.9, 77, dtype=torch.float64, requires_grad=True)
    sine_series(t, 5).sum().backward()
    torch.testing.assert_close(sine_slope(t.detach(), 5), t.grad)


def test_peak_first_zero_symmetry_and_period():
    w, n = math.pi / 2, 9
    at_zero = sine_slope(torch.zeros(1), n)
    assert at_zero.item() == pytest.approx(4 * w / math.pi * (n + 1), rel=1e-6)
    first = torch.tensor([math.pi / (2 * (n + 1) * w)], dtype=torch.float64)
    assert sine_slope(first, n).item() == pytest.approx(0, abs=1e-9)
    t = torch.rand(100, dtype=torch.float64)
    torch.testing.assert_close(sine_slope(t, n), sine_slope(-t, n))
    torch.testing.assert_close(sine_slope(t, n), sine_slope(t + 4, n))
    torch.testing.assert_close(sine_series(-t, n), -sine_series(t, n))


def test_the_slope_sums_up_to_twice_the_series_at_a_quarter():
    t = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    area = torch.trapezoid(sine_slope(t, 9), t).item()
    assert area == pytest.approx(2 * sine_series(torch.ones(1), 9).item(), abs=1e-4)
    assert area == pytest.approx(1.9365, abs=1e-4)


@pytest.mark.parametrize("n", [0, 1, 4, 9, 18])
def test_the_squared_error_by_quadrature(n: int):
    t = torch.linspace(-2, 2, 100_001, dtype=torch.float64)[1:-1]
    found = (sine_series(t, n) - sign(t)).square().mean().item()
    assert found == pytest.approx(squared_error(n), abs=1e-4)


def test_more_sines_come_at_any_step_and_half_precision_is_computed_in_float32():
    slope = SineSlope(0)
    t = torch.tensor([0.0, 0.001, 0.5, 1.5], dtype=torch.float64, requires_grad=True)
    binarise(t, slope).sum().backward()
    expected = 2 * torch.cos(math.pi / 2 * t.detach()) * (t.detach() <= 1)
    torch.testing.assert_close(t.grad, expected)
    slope.n = 18
    half = slope(t.detach().bfloat16())
    assert half.dtype == torch.bfloat16
    expected = slope(t.detach().bfloat16().float())
    torch.testing.assert_close(half.float(), expected, rtol=0.01, atol=0.01)


def test_arguments():
    with pytest.raises(UsageError, match="n=-1 is too small"):
        SineSlope(-1)
    with pytest.raises(UsageError, match="period=0 is not above 0"):
        SineSlope(period=0)
