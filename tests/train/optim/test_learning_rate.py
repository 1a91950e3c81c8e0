import pytest
import torch

from fleetfoot.train.optim.learning_rate import lr_at, lr_factor, plateaus, validation_errors
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.optim.schedules import (
    Cosine,
    Exponential,
    Linear,
    Plateau,
    Schedule,
    Steps,
)
from fleetfoot.train.optim.stretch import Stretch
from fleetfoot.train.recipe import Recipe


def factors(schedule: Schedule, total_steps: int, warmup_steps: int = 0) -> list[float]:
    words = {"total_steps": total_steps, "warmup_steps": warmup_steps}
    return [lr_factor(schedule, step, **words) for step in range(total_steps)]


def test_linear_rises_to_one_and_falls_to_zero_after_the_last_step() -> None:
    found = factors(Linear(), 6, 2)
    assert found == pytest.approx([1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25])


def test_cosine_passes_the_half_in_the_middle() -> None:
    found = factors(Cosine(), 5, 1)
    assert found == pytest.approx([0.5, 1.0, 0.8535533906, 0.5, 0.1464466094])


def test_final_is_where_it_ends() -> None:
    schedule = Cosine(final_lr=0.1)
    assert lr_factor(schedule, 10, total_steps=10) == pytest.approx(0.1)
    assert lr_factor(schedule, 0, total_steps=10) == 1.0


def test_a_run_of_one_step_has_a_learning_rate() -> None:
    assert factors(Linear(), 1) == [1.0]
    assert factors(Linear(), 1, 1) == [0.5]


def test_steps_fall_at_shares_of_the_whole_run_after_the_warmup() -> None:
    found = factors(Steps(milestones=(0.5, 0.75)), 8, 1)
    assert found == pytest.approx([0.5, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_exponential_falls_at_equal_distances_behind_the_warmup() -> None:
    found = factors(Exponential(step_factor=0.5, decay_every=0.25), 8, 1)
    assert found == pytest.approx([0.5, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125])


def test_efficientnet_falls_every_2_4_epochs() -> None:
    schedule, steps = Exponential(step_factor=0.97, decay_every=2.4 / 350), 350 * 1000
    at = [lr_factor(schedule, s, total_steps=steps) for s in (2399, 2400, 4799, 4800)]
    assert at == pytest.approx([1.0, 0.97, 0.97, 0.97**2])


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateaus_are_those_of_torch(patience: int) -> None:
    torch.manual_seed(0)
    errors = (torch.rand(40).cumsum(0) * 0.02 + torch.rand(40)).tolist()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    # torch waits for one evaluation more than it is told, and knows a threshold
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience - 1, threshold=0.0, eps=0.0
    )
    for count, error in enumerate(errors, start=1):
        reference.step(error)
        rate = optimizer.param_groups[0]["lr"]
        assert 0.5 ** plateaus(errors[:count], patience=patience) == pytest.approx(rate)


def test_the_rate_of_a_recipe_stops_falling_after_its_drops() -> None:
    recipe = Recipe(optimizer=AdamW(lr=2.0), schedule=Plateau(patience=1, drops=2, warmup=0.05))
    flat = [0.5] * 9
    rates = [
        lr_at(5, recipe, total_steps=9, warmup_steps=0, errors=flat[:count]) for count in range(5)
    ]
    assert rates == pytest.approx([2.0, 2.0, 0.2, 0.02, 0.02])


def test_epochwise_keeps_the_rate_of_an_epochs_first_step() -> None:
    recipe = Recipe(optimizer=AdamW(lr=1.0), schedule=Linear(epochwise=True))
    words = {"total_steps": 6, "warmup_steps": 0, "steps_per_epoch": 3}
    assert [lr_at(s, recipe, **words) for s in range(6)] == pytest.approx([1.0] * 3 + [0.5] * 3)


def test_errors_are_those_of_the_averaged_weights_where_there_are_any() -> None:
    history = [{"val_top1": 0.25, "val_top1_ema": None}, {"val_top1": 0.5, "val_top1_ema": 0.75}]
    assert validation_errors(history) == [0.75, 0.25]


def test_an_epochwise_rate_never_rises_where_a_run_is_shrunk_inside_an_epoch() -> None:
    recipe = Recipe(schedule=Exponential(epochwise=True))
    shrunk = Stretch(12, 12.0, 20)  # the line drawn back to step 10 ends below 0
    rates = [
        lr_at(
            step,
            recipe,
            total_steps=100,
            warmup_steps=5,
            steps_per_epoch=10,
            stretch=shrunk if step >= shrunk.step else None,
        )
        for step in range(10, 20)
    ]
    assert rates == sorted(rates, reverse=True)
