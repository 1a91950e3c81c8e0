"""Figures that several claims share: measured once in a process, and whose time that was.

A claim whose figures were measured for another one would seem to have taken no time.
"""

import time
from collections.abc import Callable, Hashable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")

_measured: set[Hashable] = set()  # since `watch`
_borrowed: dict[Hashable, float] = {}  # minutes of what was measured before `watch`


def shared(measure: Callable[..., T]) -> Callable[..., T]:
    """Return ``measure`` as a function that measures once for each of its arguments.

    Args:
        measure: takes hashable positional arguments.
    """
    kept: dict[Hashable, tuple[T, float]] = {}

    @wraps(measure)
    def once(*words: Hashable) -> T:
        key = (measure, words)
        if words not in kept:
            start = time.monotonic()
            found = measure(*words)
            kept[words] = found, (time.monotonic() - start) / 60
            _measured.add(key)
        found, minutes = kept[words]
        if key not in _measured:
            _borrowed[key] = minutes
        return found

    return once


def watch() -> None:
    """Begin with a new claim: what is kept so far was measured for others."""
    _measured.clear()
    _borrowed.clear()


def borrowed_minutes() -> float:
    """Return how long it took to measure what was kept before `watch` and used since."""
    return sum(_borrowed.values(), 0.0)
