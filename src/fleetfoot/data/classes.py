"""The class map: made once, from the training images, and applied by name everywhere."""

from collections.abc import Mapping, Sequence

from fleetfoot.core.errors import DataError
from fleetfoot.data.source import Row

SHOWN = 5


def class_map(rows: Sequence[Row], order: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the class names; the position of a name is its label.

    Sorted by name, whole numbers by value; ``order``, where a source has one, comes first.
    """
    found = {row.label for row in rows}
    if order is not None:
        return tuple(name for name in order if name in found)
    if all(name.isdecimal() for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def check_split(classes: Sequence[str], rows: Sequence[Row], *, split: str, allowed: bool) -> str:
    """Return a note on classes that are missing or unknown in a split; empty if there are none.

    Raises:
        DataError: there are some and they are not allowed.
    """
    found = {row.label for row in rows}
    lacking = [name for name in classes if name not in found]
    unknown = sorted(found - set(classes))
    parts: list[str] = []
    if lacking:
        parts.append(f"lacks {listed(lacking)}")
    if unknown:
        parts.append(f"has {listed(unknown)}, unknown in training")
    if not parts:
        return ""
    message = f"{split}: the split {' and '.join(parts)}"
    if not allowed:
        raise DataError(
            f"{message}; correct the folders or allow it with --allow-class-mismatch "
            "(images of unknown classes are then left out)"
        )
    left_out = sum(row.label not in classes for row in rows)
    return f"{message}; {left_out} images left out" if unknown else message


def label_of(
    row: Row, labels: Mapping[str, int], *, aliases: Mapping[str, str] | None = None
) -> int | None:
    """Return the label of a row in a class map, by name or by alias; None where it has none."""
    if row.label in labels:
        return labels[row.label]
    return labels.get((aliases or {}).get(row.label, ""))


def listed(names: Sequence[str]) -> str:
    """Return "class" or "classes" and the first of the names.

    >>> listed(["cat"]), listed(list("abcdefg"))
    ("class 'cat'", "classes 'a', 'b', 'c', 'd', 'e' and 2 more")
    """
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{'class' if len(names) == 1 else 'classes'} {shown}{more}"
