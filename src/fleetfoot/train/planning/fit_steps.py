"""How many steps fit into a time, how often to evaluate and to save: arithmetic, no measuring."""

import math
from dataclasses import dataclass

EVALUATIONS = 20  # of a run, about; fewer where they would cost more than this share of the time:
EVALUATION_SHARE = 0.05
HEAD_SHARE = 0.5  # of the minutes, at most, for the head phase
MARGIN = 0.08  # of the minutes, for what was not measured and a machine that slows down
STATE_SECONDS = 60.0  # between saved states, about
MOST_EPOCHS = 200  # that minutes are filled with: more passes over the same images teach nothing


@dataclass(frozen=True, kw_only=True)
class Times:
    """Measured seconds that a run is made of."""

    step: float
    evaluation: float
    head: float = 0.0


def head_images(images: int, times: Times, *, minutes: float | None) -> int:
    """Return how many of the training images the head phase uses: all, unless minutes are short.

    >>> head_images(50_000, Times(step=0.1, evaluation=0.5, head=600.0), minutes=10)
    25000
    """
    limit = math.inf if minutes is None else HEAD_SHARE * 60 * minutes
    return images if times.head <= limit else max(1, int(images * limit / times.head))


def minutes_left(minutes: float, spent: float) -> float:
    """Return the seconds that a run of ``minutes`` still has, less its margin."""
    return 60 * minutes * (1 - MARGIN) - spent


def fitted_steps(
    seconds: float, times: Times, *, steps_per_epoch: int, every: int | None, done: int = 0
) -> int:
    """Return the largest number of steps whose run takes at most ``seconds``, and at least 1.

    A run of few images ends earlier, after `MOST_EPOCHS`.

    Args:
        seconds: what there is for head, steps and evaluations.
        times: what each of them takes.
        steps_per_epoch: steps of a whole epoch.
        every: epochs between evaluations, or None for `evaluation_interval`.
        done: steps taken before.

    >>> fitted_steps(10.0, Times(step=0.1, evaluation=0.5), steps_per_epoch=1000, every=None)
    95
    """
    low, high = 1, max(1, min(int(seconds / times.step), MOST_EPOCHS * steps_per_epoch - done))
    while low < high:
        middle = (low + high + 1) // 2
        taken = run_seconds(middle, times, steps_per_epoch=steps_per_epoch, every=every)
        low, high = (middle, high) if taken <= seconds else (low, middle - 1)
    return low


def run_seconds(steps: int, times: Times, *, steps_per_epoch: int, every: int | None) -> float:
    """Return how long a run of this many steps takes."""
    interval = every or evaluation_interval(steps, times, steps_per_epoch=steps_per_epoch)
    evaluations = math.ceil(steps / (interval * steps_per_epoch))
    return times.head + steps * times.step + evaluations * times.evaluation


def evaluation_interval(steps: int, times: Times, *, steps_per_epoch: int) -> int:
    """Return the epochs between evaluations, for a run of this many steps.

    About `EVALUATIONS` per run, fewer where they would take more than `EVALUATION_SHARE` of the
    time, but five where there are five epochs.

    >>> evaluation_interval(4000, Times(step=0.1, evaluation=0.5), steps_per_epoch=100)
    2
    """
    epochs = max(1, steps) / steps_per_epoch
    cheap = times.evaluation / (EVALUATION_SHARE * steps_per_epoch * times.step)
    return max(1, math.ceil(max(epochs / EVALUATIONS, min(cheap, epochs / 5))))


def state_interval(times: Times, *, steps_per_epoch: int, every: int) -> int:
    """Return the steps between saved states; 0 where evaluations alone are frequent enough."""
    if every * steps_per_epoch * times.step <= STATE_SECONDS:
        return 0
    return max(1, round(STATE_SECONDS / times.step))
