import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.train.optim.velocity_sgd import VelocitySGD

SETTINGS = {"momentum": 0.9, "weight_decay": 0.01}


def steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter, rates: list[float]) -> np.ndarray:
    for index, lr in enumerate(rates):
        optimizer.param_groups[0]["lr"] = lr
        weight.grad = torch.full_like(weight, index + 1.0)
        optimizer.step()
    return weight.detach().numpy()


def test_is_the_rule_of_the_paper_also_when_the_rate_drops() -> None:
    rates = [0.1, 0.1, 0.01, 0.01]
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    w, v = weight.detach().numpy().copy(), np.zeros(2)
    for index, lr in enumerate(rates):
        v = 0.9 * v - 0.01 * lr * w - lr * (index + 1.0)
        w = w + v
    found = steps(VelocitySGD([weight], lr=0.1, **SETTINGS), weight, rates)
    np.testing.assert_allclose(found, w, rtol=1e-12)


@pytest.mark.parametrize(("rates", "equal"), [([0.1] * 5, True), ([0.1, 0.1, 0.01], False)])
def test_equals_torch_sgd_while_the_rate_is_constant(rates: list[float], equal: bool) -> None:
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    found = steps(VelocitySGD([ours], lr=0.1, **SETTINGS), ours, rates)
    expected = steps(torch.optim.SGD([theirs], lr=0.1, **SETTINGS), theirs, rates)
    assert np.allclose(found, expected, rtol=1e-5) is equal


def test_leaves_what_has_no_gradient_and_returns_the_loss_of_a_closure() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = VelocitySGD([weight], lr=0.1)
    assert optimizer.step(lambda: 3.0) == 3.0
    assert torch.equal(weight, torch.ones(2))
    assert not optimizer.state
