"""Masks move by their rule and end at the density asked for; magnitude as torch prunes it."""

import copy
from pathlib import Path

import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from fleetfoot.core.surgery import swap_modules
from fleetfoot.data.loader import Batch
from fleetfoot.ops.connectivity import kept_share, normalise_features
from fleetfoot.ops.masked import MaskedConv2d, MaskedLinear, Pruning, masked_layers
from fleetfoot.train.optim.masks import FOLLOWS, RATE, cut_to, move_masks
from fleetfoot.train.saved_state import load_latest
from fleetfoot.train.steps.step import Context, Metrics, supervised_step


def net_of(pruning: Pruning) -> nn.Sequential:
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(3, 8, 3), nn.Linear(8, 6)
    masked = MaskedConv2d.of(conv, pruning), MaskedLinear.of(linear, pruning)
    return nn.Sequential(masked[0], nn.AdaptiveAvgPool2d(1), nn.Flatten(), masked[1])


def backward(net: nn.Module, progress: float) -> None:
    for layer in masked_layers(net).values():
        layer.progress = progress
    net(torch.randn(4, 3, 6, 6)).square().sum().backward()


def density(net: nn.Module) -> float:
    return kept_share([layer.mask for layer in masked_layers(net).values()])


def test_a_step_of_scl_by_hand():
    net = net_of(Pruning(rule="scl", density=0.2))
    backward(net, 0.3)
    layers = list(masked_layers(net).values())
    before = [layer.mask.detach().clone() for layer in layers]
    gradients = [layer.mask.grad.clone() for layer in layers]
    move_masks(list(masked_layers(net).values()))
    penalty = FOLLOWS * (1 - layers[0].pruning.target(0.3))
    for layer, mask, gradient in zip(layers, before, gradients):
        expected = mask - RATE * (normalise_features(gradient) + penalty)
        torch.testing.assert_close(layer.mask.detach(), expected.clamp(-1, 1))
        assert layer.mask.grad is None


@pytest.mark.parametrize("rule", ["scl", "gradual", "oneshot"])
def test_it_ends_at_the_density_and_stays(rule):
    net = net_of(Pruning(rule=rule, density=0.3))
    seen = []
    for step in range(100):
        backward(net, step / 100)
        move_masks(list(masked_layers(net).values()))
        seen.append(density(net))
    total = sum(layer.mask.numel() for layer in masked_layers(net).values())
    assert seen[5] == 1.0 or rule == "scl"
    assert seen[-1] == round(0.3 * total) / total
    assert len(set(seen[60:])) == 1
    assert all(layer.settled for layer in masked_layers(net).values())
    if rule != "oneshot":
        assert 0.3 < seen[25] < 1.0
    shares = [layer.density for layer in masked_layers(net).values()]
    assert shares[0] != shares[1]  # nobody asked for it


def test_a_larger_penalty_leaves_fewer_connections():
    left = []
    for penalty in (0.1, 0.6, 1.5):
        net = net_of(Pruning(rule="scl", density=None, penalty=penalty))
        for step in range(100):
            backward(net, step / 100)
            move_masks(list(masked_layers(net).values()))
        left.append(density(net))
    assert left[0] > left[1] > left[2]


def test_magnitude_is_that_of_torch():
    net = net_of(Pruning(rule="oneshot", density=0.25))
    theirs = copy.deepcopy(net)
    layers = list(masked_layers(net).values())
    cut_to(layers, 0.25, [layer.weight.abs() for layer in layers])
    total = sum(layer.mask.numel() for layer in layers)
    pairs = [(theirs[0], "weight"), (theirs[3], "weight")]
    amount = total - round(0.25 * total)
    prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=amount)
    for layer, other in zip(layers, (theirs[0], theirs[3])):
        assert torch.equal(layer.mask > 0, other.weight_mask > 0)


def test_networks_without_masks_are_left_alone():
    net = nn.Linear(2, 2)
    net(torch.ones(1, 2)).sum().backward()
    before = net.weight.grad.clone()
    move_masks(list(masked_layers(net).values()))
    assert torch.equal(net.weight.grad, before)


@pytest.mark.parametrize("rule", ["scl", "gradual"])
def test_a_run_killed_in_the_ramp_resumes_to_the_same_bits(tmp_path: Path, rule: str):
    pruning = Pruning(rule=rule, density=0.3)
    recipe = tiny.recipe(state_every=2, ema=0.9)

    def masked() -> nn.Module:
        def made(_: str, layer: nn.Conv2d) -> nn.Module:
            return MaskedConv2d.of(layer, pruning)

        return swap_modules(tiny.new_net(), (nn.Conv2d,), made).model

    def killed(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        if context.step == 7:  # of 18, between the shares where connections go
            raise KeyboardInterrupt
        return supervised_step(net, batch, context)

    tiny.run(tmp_path / "whole", recipe, net=masked())
    with pytest.raises(KeyboardInterrupt):
        tiny.run(tmp_path / "cut", recipe, net=masked(), step=killed)
    tiny.run(tmp_path / "cut", recipe, net=masked(), resume=True)
    assert tiny.fingerprint(tmp_path / "cut") == tiny.fingerprint(tmp_path / "whole")
    state = load_latest(tmp_path / "cut" / "state")
    assert state is not None
    masks = {name: tensor for name, tensor in state.tensors.items() if name.endswith(".mask")}
    for kind in ("net.", "ema."):
        found = [mask for name, mask in masks.items() if name.startswith(kind)]
        assert len(found) == 3
        assert kept_share(found) == pytest.approx(0.3, abs=0.01)
