"""Ranges that stand in the annotation of a field, and the check of a record against them.

`batch: AtLeastOne = 32` says what is allowed where the field is; `check_fields`, which a `Checked`
record calls when it is made, refuses the rest. Choices (`Literal`), flags and parts (other records)
are checked by their type; fields of other types are left alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from fleetfoot.core.errors import UsageError


@dataclass(frozen=True)
class Range:
    """What a field may be: a test, and the words for it."""

    allows: Callable[[Any], bool]
    words: str


def is_number(value: Any) -> bool:
    """Return whether it is a finite number; True is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def whole(least: int, most: int | None = None) -> Range:
    """Return the range of whole numbers between two bounds; ``most`` None is no bound."""

    def allows(value: Any) -> bool:
        number = isinstance(value, int) and not isinstance(value, bool)
        return number and value >= least and (most is None or value <= most)

    upper = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Range(allows, f"a whole number {upper}")


def rises_inside(value: Any) -> bool:
    """Return whether it is a tuple of rising numbers between 0 and 1, both left out."""
    return (
        isinstance(value, tuple)
        and all(map(is_number, value))
        and list(value) == sorted({0.0, 1.0, *value})[1:-1]
    )


AtLeastZero = Annotated[int, whole(0)]
AtLeastOne = Annotated[int, whole(1)]
Seed = Annotated[int, whole(0, 2**64 - 1)]  # what torch's generators take
Positive = Annotated[float, Range(lambda v: is_number(v) and v > 0, "a number above 0")]
NotNegative = Annotated[float, Range(lambda v: is_number(v) and v >= 0, "a number of at least 0")]
Share = Annotated[float, Range(lambda v: is_number(v) and 0 <= v <= 1, "a number from 0 to 1")]
BelowOne = Annotated[
    float, Range(lambda v: is_number(v) and 0 <= v < 1, "a number from 0 to below 1")
]
Factor = Annotated[
    float, Range(lambda v: is_number(v) and 0 < v <= 1, "a number above 0 and at most 1")
]
Rising = Annotated[
    tuple[float, ...], Range(rises_inside, "a list of rising numbers between 0 and 1")
]


def check_fields(record: Any, *, what: str = "recipe") -> None:
    """Refuse a record with a value that its annotation does not allow.

    Raises:
        UsageError: names the field, its value and what is allowed.
    """
    for name, allowed in _ranges(type(record)).items():
        value = getattr(record, name)
        if not allowed.allows(value):
            raise UsageError(f"{what}: {name} = {value!r} is not {allowed.words}")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A record of a recipe: made with a value that is not allowed, it raises UsageError."""

    def __post_init__(self) -> None:
        check_fields(self)


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation is a union of; one that is no union is its own.

    >>> members(int | None)
    (<class 'int'>, <class 'NoneType'>)
    """
    union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if union else (annotation,)


@cache
def _ranges(kind: type) -> dict[str, Range]:
    hints = get_type_hints(kind, include_extras=True)
    found = {name: _range_of(hints[name]) for name in kind.__dataclass_fields__}
    return {name: allowed for name, allowed in found.items() if allowed is not None}


def _range_of(annotation: Any) -> Range | None:
    """Return the range of a field; None where its type says nothing that is checked here."""
    ranges = [_member_range(member) for member in members(annotation) if member is not NoneType]
    known = [found for found in ranges if found is not None]
    if not known or len(known) < len(ranges):
        return None
    optional = NoneType in members(annotation)

    def allows(value: Any) -> bool:
        return (value is None and optional) or any(found.allows(value) for found in known)

    return Range(allows, " or ".join(found.words for found in known))


def _member_range(member: Any) -> Range | None:
    if get_origin(member) is Annotated:
        return next((extra for extra in get_args(member)[1:] if isinstance(extra, Range)), None)
    if get_origin(member) is Literal:
        words = get_args(member)
        return Range(lambda value: value in words, f"one of {', '.join(map(str, words))}")
    if member is bool:
        return Range(lambda value: isinstance(value, bool), "true or false")
    if is_dataclass(member):
        part: Any = member
        return Range(lambda value: isinstance(value, part), f"{part.__name__}(...)")
    return None
