"""Arms: what is compared with what, and how thoroughly; trainings are made up or on the digits."""

import pytest
import torch
from torch import nn

from fleetfoot.claims import arms
from fleetfoot.claims.arms import Arm, Effort, effort_at, lead
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.training import Outcome

EFFORTS = {"cpu": Effort(seeds=3, epochs=2, size=8), "gpu": Effort(seeds=5, epochs=9, size=8)}


def outcome(test_error: float) -> Outcome:
    return Outcome(
        test_error=test_error,
        train_errors=(50.0, 40.0),
        step_errors=(50.0, 40.0),
        seconds=1.0,
        net=nn.Identity(),
        logits=torch.zeros(0, 10),
        labels=torch.zeros(0),
    )


def made_up(name: str, *errors: float) -> Arm:
    return Arm(name, tuple(map(outcome, errors)), macs=7)


def test_the_lead_is_taken_seed_by_seed() -> None:
    found = lead(made_up("a", 10.0, 12.0, 14.0), made_up("b", 13.0, 14.0, 15.0))
    assert found.value == pytest.approx(2.0)  # of 3, 2 and 1
    assert found.low == pytest.approx(2.0 - 4.303 / 3**0.5, abs=1e-3)  # deviation 1, t of 2
    assert [row["way"] for row in found.table] == ["a"] * 3 + ["b"] * 3
    assert {row["macs"] for row in found.table} == {7}
    assert made_up("a", 10.0, 12.0, 14.0).mean_error == 12.0


def test_the_smoke_scale_is_the_cpu_scale_with_one_seed() -> None:
    assert effort_at(Setting(scale="smoke"), EFFORTS) == Effort(seeds=1, epochs=2, size=8)
    assert effort_at(Setting(scale="gpu"), EFFORTS).seeds == 5


def test_macs_are_counted_at_the_size_of_the_images() -> None:
    assert arms.macs_of(nn.Conv2d(3, 2, 1), 5) == 3 * 2 * 25


def test_a_network_is_judged_as_its_training_was() -> None:
    pytest.importorskip("sklearn")
    from fleetfoot.train.recipe import Recipe

    recipe = Recipe(epochs=1, batch=50)
    setting, effort = Setting(scale="smoke"), Effort(seeds=2, epochs=3, size=8)

    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))

    arm = arms.trained("linear", make, setting, recipe=recipe, effort=effort)
    again = [arms.error_in(o.net, setting, recipe=recipe, effort=effort) for o in arm.outcomes]
    assert list(arm.errors) == again
    assert arm.macs == 1920
    assert [len(o.train_errors) for o in arm.outcomes] == [1, 1]  # the smoke scale's epoch
