from pathlib import Path
from typing import Any

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.parquet_tables import class_names, read_columns

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(folder: Path, **columns: Any) -> Path:
    parquet.write_table(arrow.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
def test_paths_of_every_type(tmp_path: Path, kind: str) -> None:
    paths = arrow.array(["a", "b", "a"])
    kinds = {"dictionary": arrow.dictionary(arrow.int8(), arrow.string())}
    paths = paths.cast(kinds.get(kind) or getattr(arrow, kind)())
    labels = arrow.array([b"x", b"y", b"x"]).dictionary_encode()
    read = read_columns(written(tmp_path, path=paths, label=labels))
    assert read.paths.to_pylist() == ["a", "b", "a"]
    assert read.blobs.null_count == 3
    assert read.columns == {"label": [b"x", b"y", b"x"]}


@pytest.mark.parametrize("kind", ["binary", "large_binary", "binary_view"])
def test_bytes_of_every_type(tmp_path: Path, kind: str) -> None:
    images = arrow.array([b"a", None]).cast(getattr(arrow, kind)())
    read = read_columns(written(tmp_path, Image=images, Label=[1.0, 2.0], other=[1, 2]))
    assert read.blobs.to_pylist() == [b"a", None]
    assert read.names == ("image", "label", "other")


def test_a_file_without_rows(tmp_path: Path) -> None:
    path = written(tmp_path, path=arrow.array([], arrow.string()), label=[])
    with pytest.raises(DataError, match="has no rows"):
        read_columns(path)


def test_metadata_that_means_nothing() -> None:
    for metadata in (None, {}, {b"huggingface": b"?"}, {b"huggingface": b'{"info": 3}'}):
        assert class_names(metadata) is None
