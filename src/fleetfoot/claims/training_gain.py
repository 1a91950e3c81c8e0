"""What claims make of several trainings: differences between two ways, seed by seed.

A way is trained once for each seed. The control of a difference is often the same way again with
`OTHER` seeds: what remains between the two is what chance alone gives.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleetfoot.claims.claim import Measurement
from fleetfoot.claims.training import Outcome, mean_interval

OTHER = 100  # is added to the seeds of a control

# From a seed to what the training came to.
Way = Callable[[int], Outcome]
Rows = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is trained at a scale; a way of its smoke form is in `training.train_once`.

    Attributes:
        train_images: None for all.
        test_images: None for all.
        epochs: of each training.
        seeds: how many trainings each way gets.
        divisor: by which the channels of the published network are divided.
    """

    train_images: int | None
    test_images: int | None = None
    epochs: int
    seeds: int
    divisor: int = 1


def outcomes(way: Way, seeds: int, *, other: bool = False) -> list[Outcome]:
    """Return what a way comes to with seeds 0, 1, ..., or with as many others."""
    first = OTHER if other else 0
    return [way(seed) for seed in range(first, first + seeds)]


def gain(
    before: Sequence[Outcome], after: Sequence[Outcome], *, names: tuple[str, str]
) -> Measurement:
    """Return by how many points the test error is lower after than before, one pair a seed.

    Args:
        before: the trainings of one way.
        after: as many of another.
        names: of the two ways, for the table.
    """
    pairs = zip(before, after, strict=True)
    found = points([old.test_error - new.test_error for old, new in pairs])
    return replace(found, table=(*rows(names[0], before), *rows(names[1], after)))


def share_gain(
    before: Sequence[Outcome], after: Sequence[Outcome], *, names: tuple[str, str]
) -> Measurement:
    """Return the percentage of the test error before that is gone after, else as `gain`."""
    pairs = zip(before, after, strict=True)
    found = points([100 * (1 - new.test_error / max(old.test_error, 1e-9)) for old, new in pairs])
    return replace(found, table=(*rows(names[0], before), *rows(names[1], after)))


def points(values: Iterable[float]) -> Measurement:
    """Return the mean of one value a seed, with its 95 % interval."""
    mean, low, high = mean_interval(list(values))
    return Measurement(value=mean, low=low, high=high)


def steps_to(target: float, errors: Sequence[float], *, window: int) -> float:
    """Return after how many steps the mean of the last ``window`` errors is at most ``target``.

    Infinity if it never is.

    >>> steps_to(2.0, [9.0, 3.0, 1.0, 0.0], window=2)
    3
    """
    for step in range(window, len(errors) + 1):
        if math.fsum(errors[step - window : step]) / window <= target:
            return step
    return math.inf


def rows(name: str, found: Iterable[Outcome]) -> Rows:
    """Return one row of a table for each training of a way."""
    return tuple(
        {
            "way": name,
            "training": number,
            "test_error_percent": round(outcome.test_error, 3),
            "train_error_percent": round(outcome.train_errors[-1], 3)
            if outcome.train_errors
            else None,
            "epochs": len(outcome.train_errors),
            "seconds": round(outcome.seconds, 1),
        }
        for number, outcome in enumerate(found)
    )
