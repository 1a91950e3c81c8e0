"""GradInit's properties: factors alone, bounds, the rule of the step, what is left untouched."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.core.errors import TrainingError, UsageError
from fleetfoot.train.optim import gradinit as file
from fleetfoot.train.optim.gradinit import GradInit, gradient_norm, gradinit, step_direction


def net(norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten()]
    if norm:
        layers.insert(1, nn.BatchNorm2d(4))
    return nn.Sequential(*layers, nn.Linear(16, 3)).double()


def batch(images: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    x = torch.randn(images, 2, 4, 4, dtype=torch.float64)
    return x, (x.mean(dim=(1, 2, 3)) * 100).long() % 3


def settings(**words) -> GradInit:
    return GradInit(**{"iterations": 12, "batch": 12, "lr": 0.02, **words})


@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("bound", [0.01, 1e3])
def test_every_tensor_becomes_a_multiple_of_its_start(rule: str, bound: float) -> None:
    model = net(norm=True)
    nn.init.zeros_(model[0].bias)
    start = copy.deepcopy(model.state_dict())
    learnt = gradinit(model, *batch(), settings(rule=rule, bound=bound))
    for name, parameter in model.named_parameters():
        factor = learnt.factors[name]
        assert factor >= (0.0 if name.endswith("bias") else 0.01)
        torch.testing.assert_close(parameter.detach(), factor * start[name], rtol=1e-12, atol=0)
    assert not model[0].bias.any()  # a block of zeros stays
    assert learnt.factors["0.bias"] == 1.0
    assert any(factor != 1 for factor in learnt.factors.values())
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, start[name])
    assert model.training
    assert all(module.training for module in model.modules())
    kinds = {iteration.loss is None for iteration in learnt.iterations}
    assert kinds == {bound == 0.01}


def test_nothing_learnt_is_nothing_changed() -> None:
    model = net().float()
    start = copy.deepcopy(model.state_dict())
    images, labels = batch()
    gradinit(model, images.float(), labels, settings(lr=0.0))
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())


def test_equal_seeds_learn_equal_factors() -> None:
    first, second, other = (
        gradinit(net(), *batch(), settings(seed=seed)).factors for seed in (3, 3, 4)
    )
    assert first == second
    assert first != other


@pytest.mark.parametrize("constraint", [False, True])
def test_the_first_change_follows_the_derivative(constraint: bool, monkeypatch) -> None:
    """Against differences of losses and of norms, with the step held fixed."""
    seen = []
    monkeypatch.setattr(
        file._Factors, "change", lambda self, grads, settings, constraint: seen.append(grads)
    )
    how = settings(iterations=1, bound=1e-3 if constraint else 1e3)
    model, (images, labels) = net().eval(), batch()
    gradinit(model, images, labels, how)
    first, second = file._batches(images, labels, how, 0)
    start = [p.detach().clone() for p in model.parameters()]

    def grads_at(factors):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for p, f, value in zip(moved.parameters(), factors, start):
                p.copy_(f * value)
        loss = F.cross_entropy(moved(first[0]), first[1])
        return moved, torch.autograd.grad(loss, tuple(moved.parameters()))

    step = step_direction(grads_at([1.0] * 4)[1], how)

    def judged(factors):
        moved, grads = grads_at(factors)
        if constraint:
            return gradient_norm(grads, how).item()
        with torch.no_grad():
            for p, along in zip(moved.parameters(), step):
                p -= 0.1 * along
            return F.cross_entropy(moved(second[0]), second[1]).item() / 0.1

    for place in range(4):
        ends = []
        for sign in (-1, 1):
            factors = [1.0] * 4
            factors[place] += sign * 1e-5
            ends.append(judged(factors))
        assert seen[0][place].item() == pytest.approx((ends[1] - ends[0]) / 2e-5, rel=1e-4)


def test_directions_of_both_rules() -> None:
    grads = (torch.tensor([3.0, 0.0]), torch.tensor([[-4.0]]))
    adam = step_direction(grads, settings(rule="adam"))
    assert [d.flatten().tolist() for d in adam] == [[1, 0], [-1]]
    assert gradient_norm(grads, settings(rule="adam")).item() == 7
    sgd = step_direction(grads, settings())
    assert torch.cat([d.flatten() for d in sgd]).tolist() == pytest.approx([0.6, 0, -0.8])
    assert gradient_norm(grads, settings()).item() == 5
    assert step_direction(grads, settings(normalise=False))[0] is not None
    assert step_direction(grads, settings(normalise=False))[1].item() == -4


@pytest.mark.parametrize("second_order", [False, True])
def test_the_best_two_factors_of_a_tiny_network(second_order: bool) -> None:
    """Loss -y, y = m2 w2 relu(m1 w1 x), one sample: against a search over all (m1, m2)."""
    x, w1, w2 = 1.5, 0.2, 0.6
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(w1)
        model[2].weight.fill_(w2)

    def after(m1, m2):
        a, b = m1 * w1, m2 * w2
        norm = x * np.hypot(a, b)
        return -(a + 0.1 * b * x / norm) * (b + 0.1 * a * x / norm) * x, norm

    grid = [after(m1, m2) for m1 in np.arange(0.1, 4, 0.02) for m2 in np.arange(0.1, 2, 0.01)]
    best = min(value for value, norm in grid if norm <= 1.0)
    how = settings(iterations=300, lr=1e-2, second_order=second_order, clip=10.0)
    labels = torch.zeros(24, dtype=torch.long)
    learnt = gradinit(model, torch.full((24, 1), x), labels, how, loss=lambda y, _: -y.mean())
    found, norm = after(*learnt.factors.values())
    assert norm == pytest.approx(1.0, abs=0.05)
    assert found == pytest.approx(best, rel=0.05 if second_order else 0.1)
    assert after(1, 1)[0] > 0.8 * best  # where it began


def test_the_norm_ends_at_its_bound() -> None:
    model = net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6)
    learnt = gradinit(model, *batch(), settings(iterations=150, lr=0.05))
    assert learnt.iterations[0].norm > 5
    assert np.mean([i.norm for i in learnt.iterations[-20:]]) < 1.5


def test_batches_share_half_or_none() -> None:
    images, labels = torch.arange(40.0)[:, None], torch.arange(40)
    first, second = file._batches(images, labels, settings(), 0)
    assert len(first[1]) == len(second[1]) == 12
    assert len({*first[1].tolist()} & {*second[1].tolist()}) == 6
    assert torch.equal(first[0][:, 0].long(), first[1])
    first, second = file._batches(images, labels, settings(overlap=0.0), 1)
    assert not {*first[1].tolist()} & {*second[1].tolist()}
    first, second = file._batches(images[:5], labels[:5], settings(), 0)
    assert len(first[1]) > 0  # fewer images than a batch


def test_ends_of_layer_norms_and_moments_of_their_own() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.LayerNorm(32), nn.Linear(32, 3)).double()
    how = settings(
        iterations=40, lr=0.1, bound=0.5, most_layer_norm=1.05, separate_moments=True, rule="adam"
    )
    learnt = gradinit(model, *batch(), how)
    assert learnt.factors["1.weight"] <= 1.05


def test_a_gradient_out_of_range_is_refused() -> None:
    model = net()
    with torch.no_grad():
        model[0].weight.fill_(math.inf)
    with pytest.raises(TrainingError, match="the gradient has the norm nan"):
        gradinit(model, *batch(), settings())
    assert model.training
    with pytest.raises(UsageError, match="rule='lion'"):
        settings(rule="lion")
