import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.train.optim import velocity_sgd
from fleetfoot.train.optim.optimizers import lr_scales, make_optimizer, parameter_groups, set_lr
from fleetfoot.train.optim.rmsprop_tf import RMSPropTF
from fleetfoot.train.optim.rules import SGD, AdamW, Groups, RMSProp, VelocitySGD


def net() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Module()
    model.stem = nn.Conv2d(3, 4, 1)
    model.stages = nn.Sequential(
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)), nn.Conv2d(4, 4, 1)
    )
    model.classifier = nn.Linear(4, 2)
    return model


def test_norms_and_biases_are_not_decayed_unless_asked() -> None:
    groups = parameter_groups(net(), AdamW(weight_decay=0.1))
    by_decay = {group["weight_decay"]: group["params"] for group in groups}
    assert set(by_decay) == {0.0, 0.1}
    assert all(parameter.ndim > 1 for parameter in by_decay[0.1])
    assert all(parameter.ndim == 1 for parameter in by_decay[0.0])
    (only,) = parameter_groups(
        net(), AdamW(weight_decay=0.1, groups=Groups(decay_norms_and_biases=True))
    )
    assert only["weight_decay"] == 0.1


def test_frozen_parameters_are_left_out() -> None:
    model = net()
    model.stem.requires_grad_(False)
    listed = [p for group in parameter_groups(model, AdamW()) for p in group["params"]]
    assert len(listed) == len(list(model.parameters())) - 2


def test_layer_decay_counts_from_the_classifier_down() -> None:
    scales = lr_scales(net(), Groups(layer_decay=0.5, body_lr=0.8))
    assert scales["classifier.weight"] == 1.0
    assert scales["stages.1.weight"] == pytest.approx(0.8 * 0.5)
    assert scales["stages.0.0.weight"] == scales["stages.0.1.bias"] == pytest.approx(0.8 * 0.25)
    assert scales["stem.bias"] == pytest.approx(0.8 * 0.125)


def test_set_lr_keeps_the_scales() -> None:
    optimizer = make_optimizer(net(), AdamW(groups=Groups(body_lr=0.1)))
    set_lr(optimizer, 0.5)
    assert {round(group["lr"], 6) for group in optimizer.param_groups} == {0.5, 0.05}


def test_sgd_is_nesterov_as_written_out() -> None:
    weight = nn.Linear(3, 1, bias=False)
    optimizer = make_optimizer(weight, SGD(lr=0.1, momentum=0.9, weight_decay=0.01))
    w = weight.weight.detach().numpy().copy()
    velocity = np.zeros_like(w)
    for step in range(5):
        gradient = np.full_like(w, step + 1.0)
        weight.weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        decayed = gradient + 0.01 * w
        velocity = 0.9 * velocity + decayed
        w = w - 0.1 * (decayed + 0.9 * velocity)
    np.testing.assert_allclose(weight.weight.detach().numpy(), w, rtol=1e-5)


def test_adamw_decays_apart_from_the_gradient() -> None:
    layer = nn.Linear(3, 1, bias=False)
    optimizer = make_optimizer(layer, AdamW(lr=0.1, momentum=0.8, beta2=0.9, weight_decay=0.5))
    w = layer.weight.detach().numpy().astype(np.float64)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, 6):
        gradient = np.full_like(w, float(step))
        layer.weight.grad = torch.from_numpy(gradient.astype(np.float32))
        optimizer.step()
        m, v = 0.8 * m + 0.2 * gradient, 0.9 * v + 0.1 * gradient**2
        w = w * (1 - 0.1 * 0.5)
        w -= 0.1 * (m / (1 - 0.8**step)) / (np.sqrt(v / (1 - 0.9**step)) + 1e-8)
    np.testing.assert_allclose(layer.weight.detach().numpy(), w, rtol=1e-5)


def test_velocity_sgd_gets_the_groups_and_the_momentum() -> None:
    optimizer = make_optimizer(net(), VelocitySGD(lr=1e-3, momentum=0.8, weight_decay=0.1))
    assert isinstance(optimizer, velocity_sgd.VelocitySGD)
    assert {group["momentum"] for group in optimizer.param_groups} == {0.8}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.1}


def test_biases_of_layers_can_be_decayed_without_the_norms() -> None:
    model = net()
    groups = parameter_groups(model, AdamW(weight_decay=0.1, groups=Groups(decay_biases=True)))
    by_decay = {group["weight_decay"]: group["params"] for group in groups}
    norm = model.stages[0][1]
    assert {id(p) for p in by_decay[0.0]} == {id(norm.weight), id(norm.bias)}


def test_sgd_without_nesterov_is_heavy_ball() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    optimizer = make_optimizer(layer, SGD(lr=1.0, momentum=0.5, nesterov=False))
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert layer.weight.item() == pytest.approx(-(1 + 1.5))


def test_rmsprop_gets_its_numbers() -> None:
    optimizer = make_optimizer(net(), RMSProp(lr=0.3, momentum=0.8, beta2=0.7, weight_decay=0.05))
    assert isinstance(optimizer, RMSPropTF)
    assert {(g["momentum"], g["decay"], g["lr"]) for g in optimizer.param_groups} == {
        (0.8, 0.7, 0.3)
    }
