"""ShakeDrop: gains forward and backward, at every level; its mean gain at evaluation."""

import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.shake_drop import ShakeDrop, keep_rates, shake_drop

DISTINCT = {"batch": 1, "image": 4, "channel": 12, "pixel": 240}


@pytest.mark.parametrize("level", DISTINCT)
def test_a_branch_that_is_not_left_alone_gets_two_gains(level: str) -> None:
    x = torch.ones(4, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    out = shake_drop(x, 0.0, level=level)
    out.sum().backward()
    gain, back = out.detach(), x.grad
    assert gain.min() < 0 or level == "batch"
    assert ((gain >= -1) & (gain <= 1)).all()
    assert ((back >= 0) & (back <= 1)).all()
    assert len(gain.unique()) == len(back.unique()) == DISTINCT[level]
    assert not torch.equal(gain, back)


def test_the_gain_is_that_of_the_equation() -> None:
    """b + a - b a with b = 1 is 1, forward and backward; with b = 0 it is a, and c backward."""
    for seed in range(8):
        x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
        torch.manual_seed(seed)
        b = float(torch.rand(()) < 0.5)
        a, c = (torch.rand(2, 3, dtype=torch.float64) for _ in range(2))
        a = 2 * a - 1
        torch.manual_seed(seed)
        out = shake_drop(x, 0.5)
        out.sum().backward()
        torch.testing.assert_close(out.detach(), b + a - b * a)
        torch.testing.assert_close(x.grad, b + c - b * c)


def test_the_mean_over_draws_is_what_evaluation_computes() -> None:
    torch.manual_seed(0)
    x = torch.tensor([[1.0, -2.0]]).expand(50, 2)
    many = torch.stack([shake_drop(x, 0.7) for _ in range(4000)]).mean(dim=(0, 1))
    expected = shake_drop(x, 0.7, training=False)[0]
    torch.testing.assert_close(expected, torch.tensor([0.7, -1.4]))
    torch.testing.assert_close(many, expected, atol=0.05, rtol=0)


def test_a_branch_that_is_always_kept_is_the_plain_one() -> None:
    module, x = ShakeDrop(1.0), torch.randn(3, 2)
    assert module(x) is x
    assert module.eval()(x) is x
    assert formula_for(module)(module, (3, 2)) == Cost()


def test_later_draws_do_not_depend_on_the_choice() -> None:
    after = []
    for keep in (1e-9, 1.0 - 1e-7):
        torch.manual_seed(0)
        shake_drop(torch.ones(2, 3), keep)
        after.append(torch.rand(1).item())
    assert after[0] == after[1]


def test_rates_fall_to_the_last() -> None:
    assert keep_rates(4, 0.5) == pytest.approx([0.875, 0.75, 0.625, 0.5])


def test_the_module_is_the_function() -> None:
    module, x = ShakeDrop(0.3, level="image"), torch.randn(3, 2)
    torch.manual_seed(4)
    expected = shake_drop(x, 0.3, level="image")
    torch.manual_seed(4)
    assert torch.equal(module(x), expected)
    assert formula_for(module)(module, (3, 2)) == Cost(0, 6)
    assert repr(module) == "ShakeDrop(keep=0.3, level=image)"


@pytest.mark.parametrize("words", [{"keep": -0.1}, {"keep": 1.1}, {"level": "row"}])
def test_refuses_what_cannot_be(words: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ShakeDrop(**words)
