"""FPLUS and PFPLUS against the paper's power form and by hand; gradients, poles, gains."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.costs import formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.ops.fplus import BACKWARD_GAIN, FORWARD_GAIN, FPLUS, PFPLUS, fplus, pfplus


def some(batch: int = 3, requires_grad: bool = False):
    torch.manual_seed(0)
    return torch.randn(batch, 4, 5, dtype=torch.float64).requires_grad_(requires_grad)


def test_is_the_power_with_the_sign() -> None:
    x = np.concatenate([np.linspace(-30, 30, 1001), [0.0, -0.0, 1.0]])
    expected = (np.abs(x) + 1) ** np.sign(x) - 1
    np.testing.assert_allclose(fplus(torch.from_numpy(x)), expected, atol=1e-13)
    assert fplus(torch.tensor([-1.0, -3.0, 2.0, 0.0, 1.0])).tolist() == [-0.5, -0.75, 2, 0, 1]


def test_halves_are_the_identity_and_softsign() -> None:
    x = some().abs()
    assert torch.equal(fplus(x), x)
    torch.testing.assert_close(fplus(-x), F.softsign(-x), rtol=1e-15, atol=0)
    torch.testing.assert_close(fplus(x) + fplus(-x), x**2 / (1 + x))


def test_rises_and_is_convex_with_slope_one_at_zero() -> None:
    y = fplus(torch.linspace(-8, 8, 3201, dtype=torch.float64)).numpy()
    assert (np.diff(y) > 0).all()
    assert (np.diff(y, 2) > -1e-12).all()
    x = torch.tensor([-1e-9, 0.0, 1e-9], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(fplus(x).sum(), x, create_graph=True)
    assert slope.tolist() == pytest.approx([1, 1, 1])
    (bend,) = torch.autograd.grad(slope[0], x)
    assert bend[0].item() == pytest.approx(2)  # 0 on the other side: once differentiable only


def test_first_and_second_gradients() -> None:
    x = some(requires_grad=True)
    assert torch.autograd.gradcheck(fplus, (x,))
    assert torch.autograd.gradgradcheck(fplus, (x,))
    assert torch.autograd.gradcheck(lambda x: fplus(x * 1.0, inplace=True), (x,))


def test_in_place_overwrites_and_agrees() -> None:
    x = some()
    expected, kept = fplus(x), x.clone()
    found = FPLUS(inplace=True)(kept)
    assert torch.equal(found, expected)
    assert found.data_ptr() == kept.data_ptr()


def test_gradient_is_finite_where_a_branch_has_a_pole() -> None:
    x = torch.tensor([0.5, 1.0, 2.0, 1e30], requires_grad=True)
    fplus(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1, 1]
    x = torch.tensor([0.5, 2.0], requires_grad=True)
    scale = torch.tensor([2.0, 0.5], requires_grad=True)
    pfplus(x, torch.ones(2), scale).sum().backward()
    assert x.grad is not None
    assert scale.grad is not None
    assert x.grad.tolist() == [1, 1]
    assert scale.grad.tolist() == [0, 0]


def test_pfplus_by_hand() -> None:
    x = torch.tensor([-2.0, 3.0], requires_grad=True)
    amplitude, scale = (torch.tensor([a], requires_grad=True) for a in (0.5, 2.0))
    y = pfplus(x, amplitude, scale)
    assert y.tolist() == pytest.approx([0.5 * -2 / (1 + 4), 1.5])
    y.sum().backward()
    for tensor, expected in (
        (x, [0.5 / 25, 0.5]),
        (amplitude, [-2 / 5 + 3]),
        (scale, [0.5 * 4 / 25]),
    ):
        assert tensor.grad is not None
        assert tensor.grad.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("positive", ["softplus", "clamp", "none"])
def test_pfplus_starts_as_fplus_and_scales(positive: str) -> None:
    x = some()
    torch.testing.assert_close(PFPLUS(positive=positive).double()(x), fplus(x), rtol=1e-6, atol=0)
    other = PFPLUS(4, positive=positive, learnt=False, amplitude=0.5, scale=2.0).double()
    torch.testing.assert_close(other(x), 0.25 * fplus(2.0 * x), rtol=1e-6, atol=0)
    assert not list(other.parameters())
    assert {*other.state_dict()} == {"amplitude", "scale"}


def test_pfplus_of_channels_differs_by_channel_and_is_differentiable() -> None:
    layer = PFPLUS(4).double()
    with torch.no_grad():
        layer.scale.copy_(torch.arange(4.0))
    x = some(requires_grad=True)
    for c in range(4):
        scale = math.log1p(math.exp(c))
        torch.testing.assert_close(layer(x)[:, c], fplus(scale * x[:, c]) / scale)
    assert torch.autograd.gradcheck(layer, (x,))


def test_a_constraint_keeps_what_training_drives_below_zero() -> None:
    for positive, least in (("softplus", 0.0), ("clamp", 0.0009), ("none", -9.0)):
        layer = PFPLUS(positive=positive)
        with torch.no_grad():
            layer.scale.fill_(-8.0)
        assert layer.factors()[1].item() > least
        assert (layer.factors()[1].item() > 0) == (positive != "none")
    with pytest.raises(UsageError, match="positive='square'"):
        PFPLUS(positive="square")
    with pytest.raises(UsageError, match="scale=-1"):
        PFPLUS(scale=-1)


def test_gains_keep_the_mean_square() -> None:
    x = np.linspace(-12, 12, 200_001)
    weight = np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    negative = np.minimum(x, 0)
    y, slope = x / (1 - negative), 1 / (1 - negative) ** 2
    assert 1 / math.sqrt((weight * y**2).sum()) == pytest.approx(FORWARD_GAIN, abs=5e-4)
    assert 1 / math.sqrt((weight * slope**2).sum()) == pytest.approx(BACKWARD_GAIN, abs=5e-4)


@pytest.mark.parametrize("layer", [FPLUS(), PFPLUS(4), PFPLUS(positive="none")])
def test_cost_is_counted(layer) -> None:
    formula = formula_for(layer)
    assert formula is not None
    cost, counted = formula(layer, (1, 4, 5, 5)), count(layer, (4, 5, 5))
    assert (cost.macs, cost.elementwise_ops) == (counted.macs, counted.elementwise_ops)
    assert counted.uncounted == ()


def test_says_what_it_is() -> None:
    assert "inplace=True" in repr(FPLUS(inplace=True))
    assert "4, learnt=True, positive=softplus" in repr(PFPLUS(4))
