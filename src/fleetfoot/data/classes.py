"""The class map: made once, from the training images, and applied by name everywhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fleetfoot.core.errors import DataError
from fleetfoot.data.names import alike, one_form, without_points
from fleetfoot.data.source import WHOLE, Row

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


def one_spelling(
    rows: Mapping[str, tuple[Row, ...]], known: Iterable[str] = ()
) -> dict[str, tuple[Row, ...]]:
    """Return rows whose classes are spelled in one way: as in ``known``, else as in training.

    Args:
        rows: by split.
        known: names that stay as they are.
    """
    known = tuple(known)
    spelling = {one_form(name): name for name in reversed(known)}
    for name in known:  # a version before read the class 1.0 where 1 is read now
        spelling.setdefault(without_points([name])[0], name)
    for split in sorted(rows, key=lambda split: split not in ("train", WHOLE)):
        found = {row.label for row in rows[split]}
        for name in sorted(found, key=lambda name: (name != one_form(name), name)):
            spelling.setdefault(one_form(name), name)
    labels = {row.label for of_split in rows.values() for row in of_split}
    other = {name: spelling[one_form(name)] for name in labels.difference(known)}
    other = {name: told for name, told in other.items() if name != told}
    return {
        split: tuple(
            replace(row, label=other[row.label]) if row.label in other else row for row in of_split
        )
        for split, of_split in rows.items()
    }


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
            f"{message}{hint(unknown, classes)}; correct the labels or allow it with "
            "--allow-class-mismatch (images of unknown classes are then left out)"
        )
    left_out = [row.key for row in rows if row.label in unknown]
    if not unknown:
        return message
    return f"{message}; {len(left_out)} images left out (first {left_out[0]})"


def hint(unknown: Sequence[str], classes: Sequence[str]) -> str:
    """Return which unknown class is nearly a known one; empty if none is.

    >>> hint(["Cat"], ["cat", "dog"])
    " ('Cat' and 'cat' differ only in case, blanks or Unicode form)"
    """
    for group in alike([*unknown, *classes]):
        if set(group) & set(unknown):
            names = " and ".join(map(repr, group))
            return f" ({names} differ only in case, blanks or Unicode form)"
    return ""


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
