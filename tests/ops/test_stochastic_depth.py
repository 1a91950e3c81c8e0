"""Stochastic depth: whole samples, right mean, repeatable, silent at evaluation."""

import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.stochastic_depth import (
    StochasticDepth,
    linear_rates,
    stochastic_depth,
)


def test_whole_samples_are_dropped_or_scaled() -> None:
    torch.manual_seed(0)
    x = torch.ones(200, 3, 2, 2)
    out = stochastic_depth(x, 0.25)
    samples = out.flatten(1)
    assert torch.equal(samples.amin(dim=1), samples.amax(dim=1))
    assert samples.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert out.mean().item() == pytest.approx(1.0, abs=0.1)


def test_the_global_generator_decides() -> None:
    x, module = torch.randn(16, 4), StochasticDepth(0.5)
    state = torch.get_rng_state()
    first = module(x)
    torch.set_rng_state(state)
    assert torch.equal(module(x), first)


def test_evaluation_and_rate_0_return_the_input_itself() -> None:
    x = torch.randn(4, 2)
    assert StochasticDepth(0.5).eval()(x) is x
    assert StochasticDepth(0.0)(x) is x


def test_gradient_of_a_fixed_choice() -> None:
    x = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)

    def fixed(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return stochastic_depth(x, 0.5)

    assert torch.autograd.gradcheck(fixed, (x,))


def test_keeps_dtype_and_layout() -> None:
    x = torch.randn(2, 4, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    out = stochastic_depth(x, 0.5)
    assert out.dtype == torch.bfloat16
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("blocks", [1, 4])
def test_the_highest_rate_is_checked_even_if_no_block_has_it(blocks: int) -> None:
    with pytest.raises(UsageError, match=r"drop_path=1.0 is not in \[0, 1\)"):
        linear_rates(1.0, blocks)


def test_one_block_has_rate_0() -> None:
    assert linear_rates(0.3, 1) == [0.0]
    assert linear_rates(0.3, 0) == []


def test_the_rule_by_the_number_of_blocks_stays_below_the_rate() -> None:
    assert linear_rates(0.4, 4, below=True) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert linear_rates(0.3, 1, below=True) == [0.0]
    assert linear_rates(0.3, 0, below=True) == []
    with pytest.raises(UsageError, match=r"drop_path=-0\.1 is not in \[0, 1\)"):
        linear_rates(-0.1, 4, below=True)


def test_costs_nothing_and_says_its_rate() -> None:
    module = StochasticDepth(0.125)
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (1, 2)) == Cost()
    assert "rate=0.125" in repr(module)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_refuses_a_rate_outside_0_to_1(rate: float) -> None:
    with pytest.raises(UsageError, match=r"not in \[0, 1\)"):
        StochasticDepth(rate)
