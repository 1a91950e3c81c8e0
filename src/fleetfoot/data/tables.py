"""Table files: CSV, JSON lines, Parquet; one row an image. The columns are those of `columns`.

An image is a path (relative to the table's folder, or absolute), or in Parquet the Hugging Face
image convention: a struct {bytes, path}, or encoded bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError
from fleetfoot.data.columns import OTHERS, image_column, unused
from fleetfoot.data.file_names import identities, on_disk
from fleetfoot.data.parquet_tables import read_columns
from fleetfoot.data.samples import Reader
from fleetfoot.data.source import WHOLE, BlobReader, FileReader, Row, Source
from fleetfoot.data.table_rows import Table, TableRows, named_rows
from fleetfoot.data.text_tables import read_records

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def read_table(path: Path) -> Source:
    """Return the images that a table names.

    Raises:
        DataError: no such file, no file, no rows, or a column is missing.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is a pipe or a device, not a file")
    if path.suffix.lower() == ".parquet":
        return read_parquet_splits(path.parent, {WHOLE: [path]}, name=path.stem)
    records = read_records(path)
    columns = tuple(dict.fromkeys(name for record in records for name in record.cells))
    if not records:
        raise DataError(f"{path}: has no rows")
    image = image_column(columns, where=str(path))
    reader = FileReader(path.parent)
    keys = [_key(path.parent, record.cells.get(image)) for record in records]
    table = Table(
        name=path.name,
        lines=[record.line for record in records],
        keys=keys,
        files=identities(keys, reader),
        columns={
            name: [record.cells.get(name) for record in records]
            for name in OTHERS
            if name in columns
        },
        problems={record.line: record.problem for record in records if record.problem},
    )
    found = named_rows(table, default=WHOLE)
    return _source(path.stem, [found], reader, notes=_not_read(columns))


def read_parquet_splits(
    root: Path,
    files: Mapping[str, Sequence[Path]],
    *,
    name: str,
    val_images: int | None = None,
    default_classes: tuple[str, ...] | None = None,
) -> Source:
    """Return the images in Parquet files, which may be given by split.

    Args:
        root: the folder that paths in the tables are relative to.
        files: tables by split; under "all" the ``split`` column decides, where there is one.
        name: the source's name.
        val_images: see `Source`.
        default_classes: names of integer labels where the files have none; given for a built-in
            set.

    Raises:
        DataError: a file is missing or no Parquet, has no rows, or lacks a column.
    """
    blobs: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    reader = BlobReader(blobs, paths, root)
    found: list[TableRows] = []
    notes: list[str] = []
    classes = default_classes
    for split, tables in files.items():
        for path in tables:
            read = read_columns(path)
            classes = read.classes or classes
            blobs[path.stem], paths[path.stem] = read.blobs, read.paths
            keys = [f"{path.stem}#{row}" for row in range(len(read.blobs))]
            table = Table(
                name=path.name,
                lines=range(1, len(keys) + 1),
                keys=keys,
                files=identities(keys, reader) if read.blobs.null_count else keys,
                columns=read.columns,
                classes=classes,
            )
            found.append(named_rows(table, default=split))
            notes += _not_read(read.names)
    source = _source(name, found, reader, notes=notes)
    built_in = default_classes is not None
    return replace(source, classes=classes, val_images=val_images, built_in=built_in)


def _source(
    name: str, found: Sequence[TableRows], reader: Reader, *, notes: Sequence[str]
) -> Source:
    rows: dict[str, tuple[Row, ...]] = {}
    for table in found:
        for split, of_split in table.rows.items():
            rows[split] = rows.get(split, ()) + of_split
    return Source(
        name=name,
        rows=rows,
        reader=reader,
        damaged=tuple(damage for table in found for damage in table.damaged),
        contradictory=tuple(keys for table in found for keys in table.contradictory),
        notes=tuple(dict.fromkeys([*notes, *(note for table in found for note in table.notes)])),
    )


def _key(root: Path, value: Any) -> str:
    """Return the path in a cell as the disk has it, "" where the cell is empty."""
    if isinstance(value, Mapping):
        value = value.get("path")
    path = "" if value is None or value != value else str(value)
    return on_disk(root, path) if path.strip() else ""


def _not_read(columns: Sequence[str]) -> list[str]:
    names = unused(columns)
    return [f"columns that are not read: {', '.join(names)}"] if names else []
