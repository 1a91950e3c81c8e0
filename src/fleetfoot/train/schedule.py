"""Learning rates as pure functions of the step: nothing to save, nothing to get out of step."""

import math
from typing import Literal

Schedule = Literal["cosine", "linear", "steps"]


def lr_factor(
    step: int,
    *,
    total_steps: int,
    warmup_steps: int,
    schedule: Schedule,
    final: float = 0.0,
    milestones: tuple[float, ...] = (),
    step_factor: float = 0.1,
) -> float:
    """Return the factor on the highest learning rate at a step.

    The factor rises linearly from 1 / (warmup_steps + 1) at step 0, is 1 at step
    ``warmup_steps``, and falls to ``final`` at step ``total_steps``, the one after the last;
    with "steps" it falls at the milestones only.

    Args:
        step: number of steps already taken, 0 to total_steps - 1.
        total_steps: steps of the whole run.
        warmup_steps: steps of the rise.
        schedule: how it falls: half a cosine (Loshchilov and Hutter, arXiv:1608.03983,
            without restarts), a straight line, or steps.
        final: the factor at the end of a cosine or a line.
        milestones: shares of the whole run after which "steps" falls by ``step_factor`` each.

    >>> [lr_factor(s, total_steps=4, warmup_steps=0, schedule="linear") for s in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    >>> words = {"schedule": "steps", "milestones": (0.5, 0.75), "step_factor": 0.5}
    >>> [lr_factor(s, total_steps=4, warmup_steps=0, **words) for s in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if schedule == "steps":
        return step_factor ** sum(step >= share * total_steps for share in milestones)
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    left = 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return final + (1 - final) * left
