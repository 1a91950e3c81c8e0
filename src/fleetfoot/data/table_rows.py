"""From the cells of a table to rows with names, and to what cannot be used.

damaged  a row without image or label, of an unknown split, or longer than the columns; and every
         row of a file that the table puts into several classes
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleetfoot.data.names import class_name, group_name, one_form, without_points
from fleetfoot.data.samples import Damage
from fleetfoot.data.source import SPLIT_NAMES, Row


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a table.

    Attributes:
        name: of its file, for messages.
        lines: where each row begins, for messages.
        keys: the image of each row, for its reader.
        files: what the file of each row is: equal where two rows name one file.
        columns: the cells of ``label``, ``split`` and ``group``, as far as they are there.
        classes: the names of whole numbers, where there are any.
        problems: what is wrong with the form of a row, by its line.
    """

    name: str
    lines: Sequence[int]
    keys: Sequence[str]
    files: Sequence[Hashable]
    columns: Mapping[str, Sequence[Any]]
    classes: tuple[str, ...] | None = None
    problems: Mapping[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True)
class TableRows:
    """The rows of a table: by split, and what is not among them; see `Source`."""

    rows: Mapping[str, tuple[Row, ...]]
    damaged: tuple[Damage, ...]
    contradictory: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


class _Named(NamedTuple):
    line: int
    split: str
    row: Row
    file: Hashable


def named_rows(table: Table, *, default: str) -> TableRows:
    """Return the rows of a table by split; those of a table without splits are of ``default``."""
    labels = without_points(table.columns["label"])
    named: list[_Named] = []
    damaged: list[Damage] = []
    for place, line in enumerate(table.lines):
        try:
            named.append(_named(table, place, labels[place], default))
        except ValueError as error:
            where = f"{table.name}, row {line}"
            damaged.append(Damage(where, f"{where}: {error}"))
    files: dict[Hashable, list[_Named]] = {}
    for one in named:
        files.setdefault(one.file, []).append(one)
    repeated = [rows for rows in files.values() if len(rows) > 1]
    torn = [rows for rows in repeated if len({one_form(one.row.label) for one in rows}) > 1]
    bad = {one.file for rows in torn for one in rows}
    by_split: dict[str, list[Row]] = {}
    for one in named:
        if one.file not in bad:
            by_split.setdefault(one.split, []).append(one.row)
    return TableRows(
        rows={split: tuple(rows) for split, rows in by_split.items()},
        damaged=(*damaged, *(Damage(rows[0].row.key, _contradiction(rows)) for rows in torn)),
        contradictory=tuple(tuple(one.row.key for one in rows) for rows in torn),
        notes=(
            *_repeats([rows for rows in repeated if rows[0].file not in bad]),
            *_no_group(table, named),
        ),
    )


def _named(table: Table, place: int, label: Any, default: str) -> _Named:
    line, key = table.lines[place], table.keys[place]
    if line in table.problems:
        raise ValueError(table.problems[line])
    if not key:
        raise ValueError("has no image; add it or remove the row")
    groups, splits = table.columns.get("group"), table.columns.get("split")
    row = Row(
        key,
        class_name(label, table.classes),
        None if groups is None else group_name(groups[place]),
    )
    split = default if splits is None else _split(splits[place])
    return _Named(line, split, row, table.files[place])


def _split(value: Any) -> str:
    name = group_name(value)
    if name is None:
        raise ValueError("has no split, and other rows have; write train, val or test")
    word = SPLIT_NAMES.get(name.casefold())
    if word is None:
        raise ValueError(f"split is {name!r}; use train, val or test")
    return word


def _contradiction(rows: Sequence[_Named]) -> str:
    one = rows[0]
    other = next(row for row in rows if one_form(row.row.label) != one_form(one.row.label))
    return (
        f"{one.row.key}: is {one.row.label!r} in row {one.line} and {other.row.label!r} in row "
        f"{other.line}; an image has one class, correct the table"
    )


def _repeats(repeated: Sequence[Sequence[_Named]]) -> tuple[str, ...]:
    if not repeated:
        return ()
    one, other = repeated[0][:2]
    count = sum(len(rows) - 1 for rows in repeated)
    notes = [
        f"rows that name the file of a row before: {count} "
        f"(first row {other.line}, {other.row.key}, as row {one.line})"
    ]
    across = [rows for rows in repeated if len({one.split for one in rows}) > 1]
    if across:
        splits = " and ".join(dict.fromkeys(one.split for one in across[0]))
        notes.append(
            f"files in more than one split: {len(across)} (first {across[0][0].row.key}, in "
            f"{splits}): the figures flatter"
        )
    return tuple(notes)


def _no_group(table: Table, named: Sequence[_Named]) -> tuple[str, ...]:
    lines = [one.line for one in named if one.row.group is None]
    if "group" not in table.columns or not lines:
        return ()
    return (f"rows without a group: {len(lines)} of {len(named)} (first row {lines[0]})",)
