"""What each part of the recipe does to a step or a network; trained on the digits."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.efficientnet.recipe_parts import (
    CLAIMS,
    DropsAlways,
    averaged,
    disturbed,
    network,
    recipe,
)
from fleetfoot.train.optim.schedules import Steps

SMOKE = Setting(scale="smoke")


def test_a_tenth_of_the_labels_is_drawn_anew_once_and_for_all() -> None:
    labels, indices = torch.full((5000,), 3), torch.arange(5000)
    found = disturbed(labels, indices, classes=10)
    counts = np.bincount(found.numpy(), minlength=10)
    assert 5000 - counts[3] == pytest.approx(450, abs=60)  # a tenth of draws is right again
    assert np.delete(counts, 3).min() > 25
    order = torch.randperm(5000)
    assert torch.equal(disturbed(labels[order], indices[order], classes=10), found[order])


def test_dropping_goes_on_in_evaluation() -> None:
    torch.manual_seed(0)
    found = DropsAlways(0.25).eval()(torch.ones(4000, 1, 1, 1)).flatten()
    torch.testing.assert_close(found.unique(), torch.tensor([0.0, 4 / 3]))
    assert (found == 0).float().mean() == pytest.approx(0.25, abs=0.03)


def test_the_average_is_of_parameters_and_statistics() -> None:
    nets = [nn.BatchNorm2d(2), nn.BatchNorm2d(2)]
    nets[0].weight.data.fill_(3.0)
    nets[1].running_mean.fill_(4.0)
    mean = averaged(nets)
    assert mean.weight.tolist() == [2.0, 2.0]
    assert mean.running_mean.tolist() == [2.0, 2.0]
    assert nets[0].weight.tolist() == [3.0, 3.0]


def test_early_means_that_the_rate_is_never_lowered() -> None:
    early = recipe("averaged weights", "cpu")
    assert (early.schedule, early.checkpoints.ema) == (Steps(milestones=()), 0.99)
    assert recipe("plain", "cpu").schedule.milestones == (0.5, 0.75)


def test_the_rate_of_stochastic_depth_is_of_the_last_block() -> None:
    net = network("stochastic depth", "cpu")
    rates = [m.rate for m in net.modules() if type(m).__name__ == "StochasticDepth"]
    assert len(rates) == 15
    assert (rates[0], rates[-1]) == (0.0, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    before, after = claim.measure(SMOKE).table
    assert before["test_error_percent"] - after["test_error_percent"] == pytest.approx(
        claim.measure(SMOKE).value, abs=0.01
    )
    assert claim.control.measure(SMOKE).table[0] == before
