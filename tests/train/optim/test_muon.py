import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.train.optim import muon
from fleetfoot.train.optim.muon import orthogonal
from fleetfoot.train.optim.optimizers import make_optimizer, set_lr
from fleetfoot.train.optim.rules import SGD, Muon


@pytest.mark.parametrize("shape", [(16, 72), (72, 16), (1, 9)])
def test_orthogonal_keeps_the_vectors_and_brings_the_values_near_one(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    update = torch.randn(shape, dtype=torch.float64)
    found = orthogonal(update).numpy()
    left, _, right = np.linalg.svd(update.numpy(), full_matrices=False)
    in_their_basis = left.T @ found @ right.T
    values = np.diagonal(in_their_basis)
    assert ((values > 0.6) & (values < 1.3)).all()
    assert np.abs(in_their_basis - np.diag(values)).max() < 0.05


def test_filters_keep_one_norm_and_move_by_orthogonal_steps() -> None:
    torch.manual_seed(0)
    bank = nn.Conv2d(4, 8, 3, bias=False).double()
    rule = Muon(lr=1.0, muon_lr=0.1, muon_momentum=0.5, weight_decay=0.1)
    optimizer = make_optimizer(bank, rule)
    set_lr(optimizer, rule.lr)
    weight, momentum = bank.weight.detach().numpy().copy(), 0.0
    for step in range(3):
        gradient = torch.randn_like(bank.weight)
        bank.weight.grad = gradient.clone()
        optimizer.step()
        momentum = 0.5 * momentum + gradient.numpy()
        update = torch.from_numpy(gradient.numpy() + 0.5 * momentum).flatten(1)
        weight = weight * np.sqrt(8) / np.linalg.norm(weight)
        weight = weight - 0.1 * orthogonal(update).view(8, 4, 3, 3).numpy()
        np.testing.assert_allclose(
            bank.weight.detach().numpy(), weight, rtol=1e-9, err_msg=str(step)
        )


def test_everything_else_is_nesterov_sgd() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    optimizers = [
        make_optimizer(net, rule(**settings)) for net, rule in ((ours, Muon), (theirs, SGD))
    ]
    for lr in (0.1, 0.05, 0.05):
        gradient = torch.randn(3, 5)
        for net, optimizer in zip((ours, theirs), optimizers):
            net.weight.grad, net.bias.grad = gradient.clone(), gradient[:, 0].clone()
            set_lr(optimizer, lr)
            optimizer.step()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, theirs.get_parameter(name))


def test_a_schedule_moves_both_rates() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    optimizer = make_optimizer(net, Muon(lr=1.0, muon_lr=0.2))
    set_lr(optimizer, 0.5)
    assert {group["lr"] for group in optimizer.param_groups if group["orthogonal"]} == {0.1}
    assert {group["lr"] for group in optimizer.param_groups if not group["orthogonal"]} == {0.5}


def test_leaves_what_has_no_gradient_and_returns_the_loss_of_a_closure() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = muon.Muon([{"params": [weight], "momentum": 0.9}], lr=0.1)
    assert optimizer.step(lambda: 3.0) == 3.0
    assert torch.equal(weight, torch.ones(2))
