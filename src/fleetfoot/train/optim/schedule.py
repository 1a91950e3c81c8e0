"""Learning rates as pure functions of the step: nothing to save, nothing to get out of step.

"plateau" is one too: of the step and of the validation errors so far, which every state holds.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fleetfoot.train.recipe import Recipe, Schedule


def lr_at(
    step: int,
    recipe: Recipe,
    *,
    total_steps: int,
    warmup_steps: int,
    steps_per_epoch: int = 1,
    errors: Iterable[float] = (),
) -> float:
    """Return the learning rate of a recipe at a step.

    Args:
        step: number of steps already taken.
        recipe: its learning rate and schedule.
        total_steps: steps of the whole run.
        warmup_steps: steps of the rise.
        steps_per_epoch: for a rate that changes between epochs only.
        errors: of the evaluations so far, for "plateau".
    """
    if recipe.epochwise:
        step -= step % steps_per_epoch
    fallen = recipe.schedule == "plateau" and plateaus(errors, patience=recipe.patience)
    return recipe.lr * lr_factor(
        step,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        schedule=recipe.schedule,
        final=recipe.final_lr,
        milestones=recipe.milestones,
        step_factor=recipe.step_factor,
        decay_every=recipe.decay_every,
        drops=min(fallen, recipe.drops),
    )


def lr_factor(  # noqa: PLR0913  one word for each number of a schedule
    step: int,
    *,
    total_steps: int,
    warmup_steps: int,
    schedule: Schedule,
    final: float = 0.0,
    milestones: tuple[float, ...] = (),
    step_factor: float = 0.1,
    decay_every: float = 0.01,
    drops: int = 0,
) -> float:
    """Return the factor on the highest learning rate at a step.

    The factor rises linearly from 1 / (warmup_steps + 1) at step 0, is 1 at step
    ``warmup_steps``, and falls to ``final`` at step ``total_steps``, the one after the last;
    the three schedules that multiply fall by ``step_factor`` at a time.

    Args:
        step: number of steps already taken, 0 to total_steps - 1.
        total_steps: steps of the whole run.
        warmup_steps: steps of the rise.
        schedule: how it falls: half a cosine (Loshchilov and Hutter, arXiv:1608.03983,
            without restarts), a straight line, steps, at equal distances ("exponential"), or as
            often as ``drops`` says ("plateau").
        final: the factor at the end of a cosine or a line.
        milestones: shares of the whole run after which "steps" falls.
        step_factor: what is left after a fall.
        decay_every: share of the whole run between the falls of "exponential".
        drops: how often "plateau" has fallen.

    >>> [lr_factor(s, total_steps=4, warmup_steps=0, schedule="linear") for s in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    >>> words = {"schedule": "steps", "milestones": (0.5, 0.75), "step_factor": 0.5}
    >>> [lr_factor(s, total_steps=4, warmup_steps=0, **words) for s in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if schedule == "plateau":
        return step_factor**drops
    if schedule == "exponential":
        return step_factor ** math.floor(step / (decay_every * total_steps) + 1e-9)
    if schedule == "steps":
        return step_factor ** sum(step >= share * total_steps for share in milestones)
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    left = 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return final + (1 - final) * left


def plateaus(errors: Iterable[float], *, patience: int) -> int:
    """Return how often ``patience`` evaluations in a row brought no error below the least so far.

    After each time the count begins anew; the least error stays.

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
