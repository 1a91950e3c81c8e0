"""Parquet files as columns: images as paths, as bytes, or as both (the Hugging Face convention).

Dictionary columns, as which pandas writes its categories, are read as what they stand for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError, first_line, require
from fleetfoot.data.columns import OTHERS, folded, image_column


@dataclass(frozen=True)
class ParquetTable:
    """The columns of a Parquet file.

    Attributes:
        blobs: encoded images, null where a row has none.
        paths: paths of images, null where a row has none.
        columns: the values of the other columns that are read, by name.
        classes: names of whole numbers in ``label``, from the schema's metadata.
        names: of all columns.
    """

    blobs: Any
    paths: Any
    columns: Mapping[str, list[Any]]
    classes: tuple[str, ...] | None
    names: tuple[str, ...]


def read_columns(path: Path) -> ParquetTable:
    """Return the columns of a Parquet file that are read.

    Raises:
        DataError: no such file, no Parquet, or without the columns.
    """
    arrow = require("pyarrow", extra="train")
    parquet = require("pyarrow.parquet", extra="train")
    try:
        schema = parquet.read_schema(path)
        names = dict(zip(folded(schema.names, where=str(path)), schema.names))
        image = image_column(names, where=str(path))
        read = [name for name in (image, *OTHERS) if name in names]
        table = parquet.read_table(path, columns=[names[name] for name in read])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: is no readable Parquet file ({first_line(error)})") from error
    if not len(table):
        raise DataError(f"{path}: has no rows")
    blobs, paths = _blobs_and_paths(arrow, path, table.column(names[image]))
    return ParquetTable(
        blobs=blobs,
        paths=paths,
        columns={name: table.column(names[name]).to_pylist() for name in read[1:]},
        classes=class_names(schema.metadata),
        names=tuple(names),
    )


def _blobs_and_paths(arrow: Any, path: Path, column: Any) -> tuple[Any, Any]:
    types, kind, nothing = arrow.types, column.type, arrow.nulls(len(column))
    if types.is_dictionary(kind):
        return _blobs_and_paths(arrow, path, column.cast(kind.value_type))
    if types.is_struct(kind):
        fields = {kind.field(i).name for i in range(kind.num_fields)}
        compute = require("pyarrow.compute", extra="train")
        parts = {name: compute.struct_field(column, name) for name in fields}
        return parts.get("bytes", nothing), parts.get("path", nothing)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return column, nothing
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return nothing, column
    if types.is_null(kind):
        return nothing, nothing
    raise DataError(f"{path}: the image column is {kind}; it must be paths, bytes or both")


def class_names(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...] | None:
    """Return the class names in a Parquet schema's Hugging Face metadata, or None."""
    try:
        info = json.loads((metadata or {})[b"huggingface"])
        return tuple(str(name) for name in info["info"]["features"]["label"]["names"])
    except (KeyError, ValueError, TypeError):
        return None
