"""DropBlock against loops in NumPy; share dropped, scale, ramp, silence at evaluation."""

import numpy as np
import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.drop_block import DropBlock2d, drop_block, seed_rate


def reference(x: np.ndarray, seeds: np.ndarray, block: int) -> np.ndarray:
    """Algorithm 1 with given seeds, each the top left corner of its square."""
    mask = np.ones_like(x)
    for n, c, top, left in zip(*np.nonzero(np.broadcast_to(seeds, x.shape[:2] + seeds.shape[2:]))):
        mask[n, c, top : top + block, left : left + block] = 0
    return x * mask * mask.size / mask.sum()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("block", "height", "width"), [(3, 7, 6), (1, 4, 5), (9, 5, 8)])
def test_is_the_algorithm(block: int, height: int, width: int, shared: bool) -> None:
    x = torch.randn(3, 4, height, width, dtype=torch.float64)
    torch.manual_seed(5)
    out = drop_block(x, 0.2, block, shared=shared)
    torch.manual_seed(5)
    side = min(block, height, width)
    gamma = 0.2 / side**2 * height * width / ((height - side + 1) * (width - side + 1))
    assert seed_rate(0.2, side, height, width) == pytest.approx(gamma)
    seeds = torch.empty(3, 1 if shared else 4, height - side + 1, width - side + 1).double()
    seeds.bernoulli_(gamma)
    expected = reference(x.numpy(), seeds.numpy(), side)
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-6)  # the scale is a float32


def test_about_the_rate_goes_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    out = drop_block(torch.ones(64, 8, 14, 14), 0.1, 3)
    assert (out == 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert out.mean().item() == pytest.approx(1.0, abs=1e-5)


def test_the_rate_follows_progress() -> None:
    module, x = DropBlock2d(0.3, 3), torch.ones(2, 2, 9, 9)
    module.progress = 0.0
    assert module(x) is x
    module.progress = 0.5
    torch.manual_seed(1)
    half = module(x)
    torch.manual_seed(1)
    assert torch.equal(half, drop_block(x, 0.15, 3))


def test_evaluation_is_the_input_itself_and_costs_nothing() -> None:
    module, x = DropBlock2d(0.3, 2, shared=True).eval(), torch.ones(2, 2, 4, 4)
    assert module(x) is x
    assert formula_for(module)(module, (2, 2, 4, 4)) == Cost()
    assert repr(module) == "DropBlock2d(rate=0.3, block=2, shared)"


def test_gradient_of_a_fixed_choice() -> None:
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)

    def fixed(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return drop_block(x, 0.3, 3)

    assert torch.autograd.gradcheck(fixed, (x,))


def test_a_rate_that_drops_everything_stays_finite() -> None:
    out = drop_block(torch.ones(1, 1, 3, 3), 0.99, 3)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize(("rate", "block"), [(1.0, 7), (-0.1, 7), (0.1, 0)])
def test_refuses_what_cannot_be(rate: float, block: int) -> None:
    with pytest.raises(UsageError):
        DropBlock2d(rate, block)
