"""Checks of arguments: each refuses in one line with the name, the value and what is allowed.

A check returns the value, so that it can be written where the value is used.
"""

import difflib
from collections.abc import Iterable, Sized
from types import NoneType
from typing import Any, TypeVar, get_args

from fleetfoot.core.errors import UsageError

T = TypeVar("T")


def one_of(value: T, words: Iterable[T], name: str) -> T:
    """Return ``value``, which has to be one of ``words``.

    >>> one_of("max", ("max", "mean"), "pool")
    'max'

    Raises:
        UsageError: it is another word.
    """
    known = tuple(words)
    if value not in known:
        *most, last = map(repr, known)
        choice = f"{', '.join(most)} or {last}" if most else last
        raise UsageError(f"{name}={value!r} is not offered: take {choice}")
    return value


_KINDS: dict[Any, tuple[type | tuple[type, ...], str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    str: (str, "a text"),
    NoneType: (NoneType, "None"),
}


def of_kind(value: Any, annotation: Any, name: str) -> Any:
    """Return ``value``, which has to be what a plain annotation such as ``float | None`` says.

    Annotations of anything but bool, int, float, str and None are not judged.

    >>> of_kind(2, float | None, "width")
    2

    Raises:
        UsageError: it is something else; True is no number.
    """
    kinds = get_args(annotation) or (annotation,)
    if not all(kind in _KINDS for kind in kinds):
        return value
    for kind in kinds:
        if isinstance(value, _KINDS[kind][0]) and isinstance(value, bool) <= (kind is bool):
            return value
    words = " or ".join(_KINDS[kind][1] for kind in kinds)
    raise UsageError(f"{name}={value!r} is not {words}")


def rate(value: float, name: str) -> float:
    """Return ``value``, a probability to drop something.

    Raises:
        UsageError: it is outside [0, 1), or not a number.
    """
    if not 0.0 <= value < 1.0:
        raise UsageError(f"{name}={value} is not in [0, 1)")
    return value


def at_least(least: int, value: int, name: str) -> int:
    """Return ``value``, a size or a number of things.

    Raises:
        UsageError: it is below ``least``.
    """
    if value < least:
        raise UsageError(f"{name}={value} is too small: give at least {least}")
    return value


def odd(value: int, name: str) -> int:
    """Return ``value``, the side of a window with a centre.

    Raises:
        UsageError: it is even or below 1.
    """
    if value < 1 or value % 2 == 0:
        raise UsageError(f"{name}={value} is no odd side, and the window needs a centre")
    return value


def above_zero(value: float, name: str) -> float:
    """Return ``value``, a factor.

    Raises:
        UsageError: it is 0, negative or not a number.
    """
    if not value > 0:
        raise UsageError(f"{name}={value} is not above 0")
    return value


def nearest(
    word: str, known: Iterable[str], *, otherwise: str, most: int = 2, cutoff: float = 0.5
) -> str:
    """Return what to say of an unknown word: the nearest known ones, or else ``otherwise``.

    >>> nearest("vovnet93", ["vovnet39", "nin"], otherwise="there are two")
    'nearest: vovnet39'
    """
    near = difflib.get_close_matches(word, list(known), n=most, cutoff=cutoff)
    return f"nearest: {', '.join(near)}" if near else otherwise


def same_length(**lists: Sized) -> None:
    """Check that lists that are read side by side end together.

    Raises:
        UsageError: one is longer or shorter than the first.
    """
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise UsageError(f"{found}: give as many of each")
