"""In the last steps of a run batch norms remember the network without its training-only modules."""

import torch
from torch import nn

from fleetfoot.train.optim.stretch import Stretch
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.recalibrate_norms import recalibrating_norms
from fleetfoot.train.steps.step import Context


class Louder(nn.Module):
    def forward(self, x):
        return 5 * x if self.training else x


def run(steps: int, last: int):
    torch.manual_seed(0)
    net = nn.Sequential(Louder(), nn.BatchNorm1d(3, momentum=0.5))
    x = torch.randn(64, 3)
    seen = []

    def step(net, batch, context):
        seen.append((net[0].training, torch.is_grad_enabled()))
        return net(batch).square().mean(), {}

    recalibrated = recalibrating_norms(step, Louder, steps=last)
    for number in range(steps):
        recalibrated(net, x, Context(Recipe(), number, 3, None, "float32", total_steps=steps))
    return net, x, seen


def test_only_the_last_steps_look_twice() -> None:
    net, _, seen = run(5, last=2)
    assert seen == [(True, True)] * 4 + [(False, False), (True, True), (False, False)]
    assert net[0].training
    assert net[1].momentum == 0.5


def test_the_last_steps_of_a_stretched_run_are_those_before_its_end() -> None:
    context = Context(Recipe(), 7, 3, None, "float32", total_steps=50, stretch=Stretch(5, 5.0, 9))
    assert (context.steps_left, context.progress) == (2, (5 + 2 * 45 / 4) / 50)


def test_the_statistics_become_those_of_the_silent_network() -> None:
    loud, x, _ = run(30, last=0)
    recalibrated, _, _ = run(30, last=25)
    torch.testing.assert_close(loud[1].running_var, 25 * x.var(dim=0), rtol=1e-4, atol=0)
    torch.testing.assert_close(recalibrated[1].running_var, x.var(dim=0), rtol=1e-4, atol=0)
    torch.testing.assert_close(recalibrated[1].running_mean, x.mean(dim=0), rtol=1e-4, atol=1e-6)
