"""DropConnect against loops in NumPy: training, moments, inference, the cheaper forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.costs import formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.ops import drop_connect as file
from fleetfoot.ops.drop_connect import (
    DropConnect,
    draw_masks,
    expected_relu,
    masked_linear,
    moments,
    sampled_relu,
)


def inputs(batch: int = 5, outputs: int = 4, features: int = 3):
    torch.manual_seed(0)
    v = torch.randn(batch, features, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(outputs, features, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(outputs, dtype=torch.float64, requires_grad=True)
    return v, weight, bias


@pytest.mark.parametrize("chunk", [1, 24, 2**18])
def test_is_the_masked_product_of_each_example(chunk: int, monkeypatch) -> None:
    monkeypatch.setattr(file, "CHUNK", chunk)  # one, two and all examples at a time
    v, weight, bias = inputs()
    masks, bias_masks = draw_masks((5, 4, 3), 0.5), draw_masks((5, 4), 0.5)
    found = masked_linear(v, weight, bias, masks, bias_masks)
    v_, weight_, bias_ = (t.detach() for t in (v, weight, bias))
    for n in range(5):
        for o in range(4):
            u = sum(float(masks[n, o, i] * weight_[o, i] * v_[n, i]) for i in range(3))
            assert found[n, o].item() == pytest.approx(u + float(bias_masks[n, o] * bias_[o]))
    checked = lambda *words: masked_linear(*words, masks, bias_masks)  # noqa: E731
    assert torch.autograd.gradcheck(checked, (v, weight, bias))


def test_a_masked_weight_of_a_single_example_gets_no_gradient() -> None:
    v, weight, bias = inputs(batch=1)
    masks = draw_masks((1, 4, 3), 0.5)
    masked_linear(v, weight, bias, masks, masks[:, :, 0]).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad != 0, masks[0])


def test_masks_are_true_as_often_as_asked() -> None:
    torch.manual_seed(0)
    for keep in (0.2, 0.5, 0.9):
        share = draw_masks((1000, 1000), keep).double().mean().item()
        assert share == pytest.approx(keep, abs=5 * math.sqrt(keep * (1 - keep)) / 1000)
    assert draw_masks((99,), 1.0).all()
    bits = draw_masks((4, 50_000), 0.5).double()
    assert (torch.corrcoef(bits) - torch.eye(4)).abs().max() < 0.03  # four of each number


def test_moments_are_those_of_explicit_masks() -> None:
    v, weight, bias = (t.detach() for t in inputs(batch=2, features=6))
    torch.manual_seed(1)
    many = 20_000
    masks, bias_masks = draw_masks((many, 4, 6), 0.3), draw_masks((many, 4), 0.3)
    mean, variance = moments(v, weight, bias, keep=0.3)
    for n in range(2):
        u = masked_linear(v[n].expand(many, 6), weight, bias, masks, bias_masks)
        deviation = u.std(dim=0)
        assert (u.mean(dim=0) - mean[n]).abs().max() < 5 * float(deviation.max()) / math.sqrt(many)
        torch.testing.assert_close(u.var(dim=0), variance[n], rtol=0.05, atol=0)


def test_expected_relu_is_the_mean_of_normal_draws() -> None:
    mean = torch.tensor([-1.0, 0.0, 0.5, 3.0], dtype=torch.float64)
    variance = torch.tensor([0.5, 1.0, 2.0, 0.0], dtype=torch.float64)
    draws = np.random.default_rng(0).normal(size=(400_000, 1)) * variance.sqrt().numpy()
    average = np.maximum(draws + mean.numpy(), 0).mean(axis=0)
    np.testing.assert_allclose(expected_relu(mean, variance), average, atol=6e-3)
    sampled = sampled_relu(mean, variance, samples=2000)
    np.testing.assert_allclose(sampled, average, atol=0.1)
    assert torch.equal(sampled, sampled_relu(mean, variance, samples=2000))


def test_training_draws_and_evaluation_does_not() -> None:
    torch.manual_seed(0)
    layer = DropConnect(6, 5, keep=0.5)
    v = torch.randn(4, 6)
    torch.manual_seed(1)
    first = layer(v)
    assert not torch.equal(layer(v), first)
    torch.manual_seed(1)
    assert torch.equal(layer(v), first)
    plain = layer.plain()
    assert torch.equal(layer.eval()(v), plain(v))
    assert plain.weight is layer.weight
    assert [*plain.state_dict()] == [*layer.state_dict()] == ["weight", "bias"]


def test_all_kept_is_a_linear_layer() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(6, 5)
    v = torch.randn(4, 6)
    assert torch.equal(DropConnect.of(linear, keep=1.0)(v), linear(v))


@pytest.mark.parametrize("masks", file.MASKS)
def test_every_form_is_unbiased_with_the_variance_of_the_paper(masks: str) -> None:
    torch.manual_seed(0)
    layer = DropConnect(6, 5, keep=0.5, masks=masks)
    v = torch.randn(1, 6)
    found = torch.stack([layer(v)[0] for _ in range(4000)]).detach()
    mean, variance = moments(v, layer.weight, layer.bias, keep=0.5)
    torch.testing.assert_close(found.mean(dim=0), 2 * mean[0].detach(), atol=0.06, rtol=0)
    torch.testing.assert_close(found.var(dim=0), 4 * variance[0].detach(), rtol=0.15, atol=0)
    both = layer(v.expand(2, 6))
    assert torch.equal(both[0], both[1]) == (masks == "batch")


def test_closed_inference_is_what_a_relu_behind_it_leaves() -> None:
    torch.manual_seed(0)
    layer = DropConnect(6, 5, inference="closed").eval()
    v = torch.randn(4, 6)
    found = layer(v)
    assert torch.equal(found.relu(), found)
    sampled = DropConnect.of(nn.Linear(6, 5), inference="sampled").eval()
    sampled.weight, sampled.bias = layer.weight, layer.bias
    torch.testing.assert_close(sampled(v), found, atol=0.06, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(v), found)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("inference", ["mean", "closed"])
def test_cost_is_counted(inference: str, bias: bool) -> None:
    layer = DropConnect(6, 4, inference=inference, bias=bias)
    formula = formula_for(layer)
    assert formula is not None
    found, counted = formula(layer, (1, 6)), count(layer, (6,))
    assert (found.macs, found.elementwise_ops) == (counted.macs, counted.elementwise_ops)


def test_says_what_it_is_and_refuses_nonsense() -> None:
    assert "6, 5, keep=0.5, masks=example, inference=mean" in repr(DropConnect(6, 5))
    with pytest.raises(UsageError, match="in_features=0 is too small"):
        DropConnect(0, 5)
    with pytest.raises(UsageError, match=r"keep=1\.5"):
        DropConnect(6, 5, keep=1.5)
    with pytest.raises(UsageError, match="masks='row'"):
        DropConnect(6, 5, masks="row")
