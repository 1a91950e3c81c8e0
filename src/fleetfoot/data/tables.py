"""Table files: CSV, JSON lines, Parquet; one row an image.

Columns
image or path  a path (relative to the table's folder, or absolute), or in Parquet the Hugging Face
               image convention: a struct {bytes, path}, or encoded bytes
label          the class: text, or a number; class names in the schema's Hugging Face metadata are
               used and give the order
split          optional: train, val, test and their synonyms
group          optional: images of one group never end up in two splits
"""

import csv
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError, require
from fleetfoot.data.source import SPLIT_NAMES, WHOLE, BlobReader, FileReader, Row, Source

SUFFIXES = (".csv", ".jsonl", ".parquet")
IMAGE_COLUMNS = ("image", "path", "img")


@dataclass(frozen=True)
class _Table:
    """Columns of plain values, and the reader of the keys."""

    path: Path
    keys: Sequence[str]
    labels: Sequence[Any]
    splits: Sequence[Any] | None
    groups: Sequence[Any] | None
    first_line: int = 1  # of the first row, for messages


def read_table(path: Path) -> Source:
    """Return the images that a table names.

    Raises:
        DataError: no such file, a column is missing, or a row lacks its image or its label.
    """
    if path.suffix.lower() == ".parquet":
        return read_parquet_splits(path.parent, {WHOLE: [path]}, name=path.stem)
    records = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    if not records:
        raise DataError(f"{path}: has no rows")
    columns = list(records[0])
    image = _column(path, columns, IMAGE_COLUMNS)
    _column(path, columns, ("label",))
    table = _Table(
        path=path,
        keys=[_path_in(record.get(image)) for record in records],
        labels=[record.get("label") for record in records],
        splits=[record.get("split") for record in records] if "split" in columns else None,
        groups=[record.get("group") for record in records] if "group" in columns else None,
        first_line=2 if path.suffix.lower() == ".csv" else 1,
    )
    return Source(name=path.stem, rows=_rows(table, None, WHOLE), reader=FileReader(path.parent))


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
    """
    rows: dict[str, tuple[Row, ...]] = {}
    blobs: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    classes = default_classes
    for split, tables in files.items():
        for path in tables:
            table, names, blobs[path.stem], paths[path.stem] = _read_parquet(path)
            classes = names or classes
            for found, found_rows in _rows(table, classes, split).items():
                rows[found] = rows.get(found, ()) + found_rows
    return Source(
        name=name,
        rows=rows,
        reader=BlobReader(blobs, paths, root),
        classes=classes,
        val_images=val_images,
        built_in=default_classes is not None,
    )


def _read_parquet(path: Path) -> tuple[_Table, tuple[str, ...] | None, Any, Any]:
    arrow = require("pyarrow", extra="train")
    parquet = require("pyarrow.parquet", extra="train")
    try:
        schema = parquet.read_schema(path)
        image = _column(path, schema.names, IMAGE_COLUMNS)
        _column(path, schema.names, ("label",))
        wanted = [name for name in (image, "label", "split", "group") if name in schema.names]
        table = parquet.read_table(path, columns=wanted)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: is no readable Parquet file ({_first_line(error)})") from error
    column = table.column(image)
    blobs, paths = _blobs_and_paths(arrow, path, column)
    return (
        _Table(
            path=path,
            keys=[f"{path.stem}#{row}" for row in range(len(table))],
            labels=table.column("label").to_pylist(),
            splits=table.column("split").to_pylist() if "split" in wanted else None,
            groups=table.column("group").to_pylist() if "group" in wanted else None,
        ),
        class_names(schema.metadata),
        blobs,
        paths,
    )


def _blobs_and_paths(arrow: Any, path: Path, column: Any) -> tuple[Any, Any]:
    kind = column.type
    nothing = arrow.nulls(len(column))
    if arrow.types.is_struct(kind):
        fields = {kind.field(i).name for i in range(kind.num_fields)}
        compute = require("pyarrow.compute", extra="train")
        parts = {name: compute.struct_field(column, name) for name in fields}
        return parts.get("bytes", nothing), parts.get("path", nothing)
    if arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind):
        return column, nothing
    if arrow.types.is_string(kind) or arrow.types.is_large_string(kind):
        return nothing, column
    raise DataError(f"{path}: the image column is {kind}; it must be paths, bytes or both")


def class_names(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...] | None:
    """Return the class names in a Parquet schema's Hugging Face metadata, or None."""
    try:
        info = json.loads((metadata or {})[b"huggingface"])
        return tuple(str(name) for name in info["info"]["features"]["label"]["names"])
    except (KeyError, ValueError, TypeError):
        return None


def _rows(
    table: _Table, classes: tuple[str, ...] | None, default: str
) -> dict[str, tuple[Row, ...]]:
    rows: dict[str, list[Row]] = {}
    for place, (key, label) in enumerate(zip(table.keys, table.labels)):
        where = f"{table.path}, row {place + table.first_line}"
        if not key:
            raise DataError(f"{where}: has no image; add it or remove the row")
        group = None if table.groups is None else table.groups[place]
        split = default if table.splits is None else _split(table.splits[place], where)
        row = Row(key, _label(label, classes, where), str(group) if group is not None else None)
        rows.setdefault(split, []).append(row)
    return {split: tuple(found) for split, found in rows.items()}


def _label(value: Any, classes: tuple[str, ...] | None, where: str) -> str:
    if value is None or str(value).strip() == "":
        raise DataError(f"{where}: has no label; add it or remove the row")
    if classes is None or not isinstance(value, int):
        return str(value)
    if not 0 <= value < len(classes):
        raise DataError(f"{where}: label {value} is none of the {len(classes)} named classes")
    return classes[value]


def _split(value: Any, where: str) -> str:
    word = SPLIT_NAMES.get(str(value).strip().lower())
    if word is None:
        raise DataError(f"{where}: split is {value!r}; use train, val or test")
    return word


def _path_in(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("path")
    return "" if value is None else str(value)


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    with (
        _reading(path, "is no readable CSV file"),
        path.open(encoding="utf-8-sig", newline="") as file,
    ):
        return list(csv.DictReader(file, strict=True))


def _json_rows(path: Path) -> list[dict[str, Any]]:
    with _reading(path, "cannot be read"):
        lines = path.read_text(encoding="utf-8").split("\n")  # a name may hold U+2028
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: is not JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: is no JSON object")
        rows.append(row)
    return rows


@contextmanager
def _reading(path: Path, problem: str) -> Generator[None]:
    """Name the file in what goes wrong; ``problem`` says what wrong content is."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: {problem} ({_first_line(error)})") from error


def _column(path: Path, columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return name
    found = ", ".join(map(str, columns))  # csv names what lies beyond the header None
    raise DataError(f"{path}: has no column {' or '.join(names)}; its columns are {found}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
