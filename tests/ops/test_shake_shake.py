"""Shake-Shake: shares that sum to 1, other ones backward, a half at evaluation."""

import itertools

import pytest
import torch
from torch import Tensor

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.shake_shake import ShakeShake, shake_shake

WORDS = list(itertools.product(("even", "shake"), ("even", "keep", "shake"), ("image", "batch")))


def shares(words: tuple[str, str, str], seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shares of both branches, forward and backward, each (N,): branches are ones and zeros."""
    first = torch.ones(6, 2, 3, dtype=torch.float64, requires_grad=True)
    second = torch.zeros(6, 2, 3, dtype=torch.float64, requires_grad=True)
    forward, backward, level = words
    torch.manual_seed(seed)
    out = shake_shake(first, second, forward=forward, backward=backward, level=level)
    out.sum().backward()
    torch.manual_seed(seed)
    other = shake_shake(1 - first, 1 - second, forward=forward, backward=backward, level=level)
    found = (out, other, first.grad, second.grad)
    for share in found:  # one number a sample
        assert torch.equal(share, share[:, :1, :1].expand_as(share))
    return tuple(share.detach()[:, 0, 0] for share in found)


@pytest.mark.parametrize("words", WORDS, ids="-".join)
def test_shares_are_what_the_words_say(words: tuple[str, str, str]) -> None:
    forward, backward, level = words
    first, second, back, rest = shares(words)
    torch.testing.assert_close(first + second, torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(back + rest, torch.ones(6, dtype=torch.float64))
    for share, word in ((first, forward), (back, backward)):
        assert ((share >= 0) & (share <= 1)).all()
        if word == "even":
            assert (share == 0.5).all()
        if word == "shake":
            assert len(share.unique()) == (6 if level == "image" else 1)
    if backward == "keep":
        assert torch.equal(back, first)
    if (forward, backward) == ("shake", "shake"):
        assert not torch.equal(back, first)
    assert torch.equal(shares(words)[0], first)


def test_the_mean_over_draws_is_what_evaluation_computes() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(1, 5), torch.randn(1, 5)
    many = shake_shake(first.expand(20000, 5), second.expand(20000, 5)).mean(dim=0)
    expected = shake_shake(first, second, training=False)[0]
    torch.testing.assert_close(many, expected, atol=0.02, rtol=0)


def test_kept_shares_have_the_true_gradient() -> None:
    first = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    second = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def fixed(first: Tensor, second: Tensor) -> Tensor:
        torch.manual_seed(1)
        return shake_shake(first, second, backward="keep")

    assert torch.autograd.gradcheck(fixed, (first, second))


def test_the_module_is_the_function_and_costs_its_sum() -> None:
    module, x, y = ShakeShake(forward="even", level="batch"), torch.randn(2, 3), torch.randn(2, 3)
    torch.testing.assert_close(module(x, y), (x + y) / 2)
    assert torch.equal(module.eval()(x, y), 0.5 * (x + y))
    assert formula_for(module)(module, (2, 3), (2, 3)) == Cost(0, 12)
    assert repr(module) == "ShakeShake(even, shake, batch)"
    assert module(x.bfloat16(), y.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("words", [{"forward": "keep"}, {"backward": "odd"}, {"level": "pixel"}])
def test_refuses_other_words(words: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is not offered"):
        ShakeShake(**words)
