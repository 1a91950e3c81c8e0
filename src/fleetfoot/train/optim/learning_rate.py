"""Learning rates as pure functions of the step: nothing to save, nothing to get out of step.

"plateau" is one too: of the step and of the validation errors so far, which every saved state
holds.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fleetfoot.train.optim.schedules import Cosine, Exponential, Linear, Plateau, Schedule, Steps
from fleetfoot.train.optim.stretch import Stretch, planned_step
from fleetfoot.train.recipe import Recipe


def lr_at(
    step: int,
    recipe: Recipe,
    *,
    total_steps: int,
    warmup_steps: int,
    steps_per_epoch: int = 1,
    errors: Iterable[float] = (),
    stretch: Stretch | None = None,
) -> float:
    """Return the learning rate of a recipe at a step: its highest one times `lr_factor`.

    ``steps_per_epoch`` is for a rate that changes between epochs only.
    """
    if recipe.schedule.epochwise:
        step -= step % steps_per_epoch
    position = planned_step(step, stretch, planned=total_steps)
    lengths = {"total_steps": total_steps, "warmup_steps": warmup_steps}
    return recipe.optimizer.lr * lr_factor(recipe.schedule, position, **lengths, errors=errors)


def lr_factor(
    schedule: Schedule,
    step: float,
    *,
    total_steps: int,
    warmup_steps: int = 0,
    errors: Iterable[float] = (),
) -> float:
    """Return the factor on the highest learning rate at a step.

    The factor rises linearly from 1 / (warmup_steps + 1) at step 0, is 1 at step
    ``warmup_steps``, and ends at step ``total_steps``, the one after the last.

    Args:
        schedule: how it falls.
        step: number of steps already taken, 0 to total_steps - 1.
        total_steps: steps of the whole run.
        warmup_steps: steps of the rise.
        errors: of the evaluations so far, for `Plateau`.

    >>> [lr_factor(Linear(), step, total_steps=4) for step in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    >>> [lr_factor(Steps(step_factor=0.5), step, total_steps=4) for step in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if isinstance(schedule, (Cosine, Linear)):
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        left = 1 - done if isinstance(schedule, Linear) else (1 + math.cos(math.pi * done)) / 2
        return schedule.final_lr + (1 - schedule.final_lr) * left
    match schedule:
        case Steps(milestones=milestones):
            falls = sum(step >= share * total_steps for share in milestones)
        case Exponential(decay_every=every):
            falls = math.floor(step / (every * total_steps) + 1e-9)
        case Plateau(patience=patience, drops=drops):
            falls = min(plateaus(errors, patience=patience), drops)
    return schedule.step_factor**falls


def plateaus(errors: Iterable[float], *, patience: int) -> int:
    """Return how often ``patience`` evaluations in a row brought no error below the least so far.

    After each time the count begins again; the least error stays.

    >>> plateaus([0.5, 0.4, 0.4, 0.41, 0.3, 0.3, 0.3], patience=2)
    2
    """
    least, waited, found = math.inf, 0, 0
    for error in errors:
        waited = 0 if error < least else waited + 1
        least = min(least, error)
        if waited == patience:
            found, waited = found + 1, 0
    return found


def validation_errors(history: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return the error of each evaluation of a run: of the averaged weights where there are any."""
    pairs = ((line.get("val_top1_ema"), line["val_top1"]) for line in history)
    return [1 - (own if averaged is None else averaged) for averaged, own in pairs]
