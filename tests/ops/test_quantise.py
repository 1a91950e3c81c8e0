import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.quantise import (
    Quantise,
    few_bit_gradient,
    linear_levels,
    linear_quantise,
    log_levels,
    log_quantise,
    power_of_two,
    quantise,
    quantise_gradient,
)


def numbers(count: int = 2000) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.8, count))


def test_powers_of_two():
    x = torch.tensor([0.0, 1.0, -3.0, 2.8, 2.9, 1e-3, -0.7, 1e-40])
    assert power_of_two(x).tolist() == [0, 1, -4, 2, 4, 2**-10, -0.5, 0]
    x = numbers()
    found = power_of_two(x)
    assert torch.equal(power_of_two(found), found)
    ratio = (found / x).numpy()
    assert ratio.min() >= 2**-0.5
    assert ratio.max() <= 2**0.5


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_linear_against_numpy(bits: int):
    x = numbers()
    steps = 2 ** (bits - 1)
    codes = np.clip(np.rint(x.numpy() * steps), -steps, steps - 1)
    found = linear_quantise(x, bits)
    np.testing.assert_array_equal(found.numpy(), codes / steps)
    assert len(found.unique()) <= 2**bits
    assert torch.equal(linear_quantise(found, bits), found)
    inside = (x >= linear_levels(bits)[0]) & (x <= linear_levels(bits)[1])
    assert (found - x)[inside].abs().max() <= 0.5 / steps


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_logarithmic_against_numpy(bits: int):
    x = numbers()
    low, high = log_levels(bits)
    size = np.clip(2.0 ** np.rint(np.log2(np.abs(x.numpy()))), low, high)
    found = log_quantise(x, bits)
    np.testing.assert_array_equal(found.numpy(), np.where(x.numpy() < 0, -size, size))
    assert len(found.unique()) <= 2**bits
    assert torch.equal(log_quantise(found, bits), found)
    assert log_quantise(torch.zeros(1), bits).item() == low


@pytest.mark.parametrize(("form", "high"), [("linear", 0.875), ("log", 1.0)])
def test_the_gradient_passes_inside_the_range_alone(form: str, high: float):
    x = torch.tensor([-1.01, -1.0, 0.3, high, high + 0.01], requires_grad=True)
    (quantise(x, 4, form=form) * torch.arange(1.0, 6)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 4, 0]


@pytest.mark.parametrize("stochastic", [True, False])
def test_a_gradient_has_few_sizes(stochastic: bool):
    torch.manual_seed(0)
    grad = numbers().float() ** 5
    found = quantise_gradient(grad, 6, stochastic=stochastic)
    sizes = found.abs().unique()
    assert len(sizes) <= 2**5 + 1
    assert torch.equal(power_of_two(sizes), sizes)
    assert torch.equal(found.sign() * grad.sign(), found.sign().abs())  # a sign never turns
    assert quantise_gradient(torch.zeros(3)).tolist() == [0, 0, 0]


def test_a_drawn_gradient_keeps_its_mean():
    torch.manual_seed(0)
    grad = torch.tensor([1.0, 0.3, -0.77, 1e-6, 5e-5, 0.0])
    drawn = quantise_gradient(grad.expand(40_000, 6), 4)
    torch.testing.assert_close(drawn.mean(dim=0), grad, rtol=0.05, atol=2e-3)


def test_the_gradient_alone_is_quantised():
    x = torch.linspace(-1, 1, 9, requires_grad=True)
    y = few_bit_gradient(x, 2, stochastic=False)
    assert torch.equal(y, x)
    (y * torch.tensor([1.0, 0.9, 0.6, 0.4, 0.2, 0.1, -0.6, -1.0, 0.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 0.5, 0.5, 0, 0, -0.5, -1, 0]


def test_bits_and_forms_that_are_not_offered():
    with pytest.raises(UsageError, match="bits=1 is not 2 to 16; one bit is the sign"):
        Quantise(1)
    with pytest.raises(UsageError, match="bits=17 is not 2 to 16"):
        quantise(torch.ones(1), 17)
    with pytest.raises(UsageError, match="bits=9: float32 has no power of two as small"):
        quantise(torch.zeros(1), 9, form="log")
    assert quantise_gradient(torch.zeros(0)).numel() == 0
    with pytest.raises(UsageError, match="form='cubic' is not offered"):
        Quantise(4, form="cubic")
    assert repr(Quantise(4, form="log")) == "Quantise(4, log)"
