"""The columns of a table: what each is called, and which of them are read.

image   image, path, or another of `IMAGE_COLUMNS`
label   the class: a name or a whole number
split   optional: train, val, test and their synonyms
group   optional: images of one group never end up in two splits

Blanks around a name and capitals do not count.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fleetfoot.core.errors import DataError

IMAGE_COLUMNS = ("image", "path", "img", "file_name", "filename", "filepath", "image_path")
OTHERS = ("label", "split", "group")
SHOWN = 8


def folded(names: Sequence[Any], *, where: str) -> list[str]:
    """Return column names without blanks around them, in small letters.

    Raises:
        DataError: a column that is read is there twice.
    """
    found = [str(name).strip().casefold() for name in names]
    for name in (*IMAGE_COLUMNS, *OTHERS):
        if found.count(name) > 1:
            raise DataError(f"{where}: has {found.count(name)} columns {name}; keep one")
    return found


def image_column(columns: Iterable[str], *, where: str) -> str:
    """Return the column that holds the images.

    Raises:
        DataError: there is none, or none with the labels.
    """
    columns = list(columns)
    for wanted in (IMAGE_COLUMNS, ("label",)):
        if not set(wanted) & set(columns):
            raise DataError(
                f"{where}: has no column {' or '.join(wanted[:4])}; its columns are "
                f"{', '.join(columns[:SHOWN])}{', ...' if len(columns) > SHOWN else ''}"
            )
    return next(name for name in IMAGE_COLUMNS if name in columns)


def unused(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that are not read."""
    columns = [name for name in columns if name]
    read = [name for name in IMAGE_COLUMNS if name in columns][:1]
    return tuple(name for name in columns if name not in (*read, *OTHERS))
