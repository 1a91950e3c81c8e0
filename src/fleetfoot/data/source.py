"""What a folder, a table or a built-in set is before it becomes a data set: rows with names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError
from fleetfoot.data.decode import FULL_DEPTH, ImageSource, Pixels, decode
from fleetfoot.data.file_names import on_disk
from fleetfoot.data.samples import Damage, Reader

WHOLE = "all"
"""The one split of a source that has none."""

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
"""Every accepted word for a split, and the word used here."""


@dataclass(frozen=True)
class Row:
    """One image of a source: its key, the name of its class, its group if any."""

    key: str
    label: str
    group: str | None = None


@dataclass(frozen=True)
class Source:
    """A source as it was found; classes are names, nothing has been checked or split.

    Attributes:
        name: a short name.
        rows: by split name ("train", "val", "test", or "all" where there are no splits).
        reader: reads the keys of every split.
        classes: the class names in the source's own order; None where it has no order.
        empty_classes: per split, classes that are named but have no image.
        damaged: rows of a table that cannot be used, and why; they are in no split.
        contradictory: keys that mean one file, which the table puts into several classes; damaged.
        val_images: how many training images become validation; None for 20 %.
        built_in: True for known sets, which are not scanned for damage and near duplicates.
        notes: what a person should know.
    """

    name: str
    rows: Mapping[str, tuple[Row, ...]]
    reader: Reader
    classes: tuple[str, ...] | None = None
    empty_classes: Mapping[str, tuple[str, ...]] | None = None
    damaged: tuple[Damage, ...] = ()
    contradictory: tuple[tuple[str, ...], ...] = ()
    val_images: int | None = None
    built_in: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileReader:
    """Reads images from files; a key is a path relative to ``root``, or absolute.

    Attributes:
        root: a folder.
        depth: see `decode`.
    """

    root: Path
    depth: int = FULL_DEPTH

    def path(self, key: str) -> Path:
        return self.root / key

    def source(self, key: str) -> ImageSource:
        return self.path(key)

    def __call__(self, key: str) -> Pixels:
        return decode(self.path(key), name=key, depth=self.depth)


@dataclass(frozen=True)
class ArrayReader:
    """Reads images from stacks in memory, (N, H, W) or (N, H, W, 3); a key is "stack#row"."""

    stacks: Mapping[str, NDArray[np.uint8]]

    def source(self, key: str) -> ImageSource:
        stack, row = key.rsplit("#", 1)
        return self.stacks[stack][int(row)]

    def __call__(self, key: str) -> Pixels:
        return decode(self.source(key), name=key)


@dataclass(frozen=True)
class BlobReader:
    """Reads encoded images out of table columns; a key is "table#row".

    Where a row holds no bytes, its path is read, relative to ``root``.

    Attributes:
        blobs: per table a pyarrow column of binary values.
        paths: per table a pyarrow column of strings, or None.
        root: the folder of the table.
        depth: see `decode`.
    """

    blobs: Mapping[str, Any]
    paths: Mapping[str, Any]
    root: Path
    depth: int = FULL_DEPTH

    def path(self, key: str) -> Path | None:
        """Return the file of a row without bytes; None for one with bytes, or with nothing."""
        table, row = key.rsplit("#", 1)
        if self.blobs[table][int(row)].is_valid:
            return None
        path = self.paths[table][int(row)].as_py()
        return self.root / on_disk(self.root, path) if path else None

    def source(self, key: str) -> ImageSource:
        table, row = key.rsplit("#", 1)
        blob = self.blobs[table][int(row)].as_py()
        found = self.path(key) if blob is None else blob
        if found is None:
            raise DataError(f"{key}: the row has neither image bytes nor a path")
        return found

    def __call__(self, key: str) -> Pixels:
        return decode(self.source(key), name=key, depth=self.depth)


def rows_of(stack: str, labels: NDArray[np.integer], *, names: tuple[str, ...]) -> tuple[Row, ...]:
    """Return rows "stack#0", "stack#1", ... with the names of their labels."""
    return tuple(Row(f"{stack}#{row}", names[label]) for row, label in enumerate(labels.tolist()))
