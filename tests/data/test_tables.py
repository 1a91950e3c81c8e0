import csv
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.source import WHOLE
from fleetfoot.data.tables import read_table

Records = list[dict[str, Any]]
SUFFIXES = ("csv", "jsonl", "parquet")


def write(path: Path, records: Records, metadata: dict[str, str] | None = None) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        table = arrow.Table.from_pylist(records)
        parquet.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.fixture
def images(tmp_path: Path, noise: Callable[..., np.ndarray], saved: Callable[..., bytes]) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(4):
        (tmp_path / "images" / f"{number}.png").write_bytes(saved(noise(number)))
    return tmp_path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("column", ["path", "image"])
def test_paths_labels_splits_and_groups(
    images: Path, suffix: str, column: str, noise: Callable[..., np.ndarray]
) -> None:
    words = ["train", "Training", "valid", "test"]
    records = [
        {column: f"images/{i}.png", "label": "ab"[i % 2], "split": words[i], "group": f"g{i // 2}"}
        for i in range(4)
    ]
    source = read_table(write(images / f"t.{suffix}", records))
    assert {split: len(rows) for split, rows in source.rows.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    rows = [row for split in ("train", "val", "test") for row in source.rows[split]]
    assert [row.label for row in rows] == ["a", "b", "a", "b"]
    assert [row.group for row in rows] == ["g0", "g0", "g1", "g1"]
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(source.reader(row.key), noise(number))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_splits_and_with_paths_that_leave_the_folder(images: Path, suffix: str) -> None:
    (images / "tables").mkdir()
    records = [
        {"path": "../images/0.png", "label": 7},
        {"path": str(images / "images" / "1.png"), "label": 8},
    ]
    source = read_table(write(images / "tables" / f"t.{suffix}", records))
    assert [row.label for row in source.rows[WHOLE]] == ["7", "8"]
    for row in source.rows[WHOLE]:
        assert source.reader(row.key).shape == (40, 48, 3)


def test_hugging_face_images_and_names(
    images: Path, noise: Callable[..., np.ndarray], saved: Callable[..., bytes]
) -> None:
    info = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["zebra", "ant"]}}}}
    records = [
        {"image": {"bytes": saved(noise(0)), "path": "x.png"}, "label": 0},
        {"image": {"bytes": None, "path": "images/1.png"}, "label": 1},
    ]
    path = write(images / "t.parquet", records, {"huggingface": json.dumps(info)})
    source = read_table(path)
    assert source.classes == ("zebra", "ant")
    assert [row.label for row in source.rows[WHOLE]] == ["zebra", "ant"]
    for number, row in enumerate(source.rows[WHOLE]):
        np.testing.assert_array_equal(source.reader(row.key), noise(number))


def test_plain_bytes(images: Path, noise: Callable[..., np.ndarray], saved: Callable) -> None:
    records = [{"image": saved(noise(i)), "label": "ab"[i]} for i in range(2)]
    source = read_table(write(images / "t.parquet", records))
    np.testing.assert_array_equal(source.reader(source.rows[WHOLE][1].key), noise(1))


def test_json_rows_with_the_image_convention(images: Path) -> None:
    source = read_table(
        write(images / "t.jsonl", [{"image": {"path": "images/0.png"}, "label": "a"}])
    )
    assert source.rows[WHOLE][0].key == "images/0.png"


@pytest.mark.parametrize(
    ("suffix", "records", "match"),
    [
        ("csv", [{"file": "a", "label": "a"}], "no column image or path.*columns are file, label"),
        ("parquet", [{"path": "a", "class": "a"}], "no column label; its columns are path, class"),
        ("csv", [{"path": "a", "label": "a", "LABEL ": "b"}], "has 2 columns label; keep one"),
        ("parquet", [{"path": 5, "label": "a"}], "image column is int64"),
    ],
)
def test_bad_columns(tmp_path: Path, suffix: str, records: Records, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read_table(write(tmp_path / f"t.{suffix}", records))


GOOD = {"path": "good", "label": "a"}


@pytest.mark.parametrize(
    ("suffix", "records", "match"),
    [
        ("csv", [GOOD, {"path": "b", "label": ""}], "t.csv, row 3: has no label; add it or"),
        ("jsonl", [GOOD, {"path": "b"}], "t.jsonl, row 2: has no label"),
        ("jsonl", [GOOD, {"path": "b", "label": math.nan}], "row 2: has no label"),
        ("jsonl", [GOOD, {"path": "b", "label": ["a"]}], "row 2: label is a list; an image has"),
        ("jsonl", [GOOD, {"path": "b", "label": 0.5}], "row 2: label is 0.5; a class is a name"),
        ("parquet", [GOOD, {"path": "b", "label": None}], "row 2: has no label"),
        ("csv", [GOOD, {"path": " ", "label": "a"}], "row 3: has no image"),
        ("jsonl", [GOOD | {"split": "train"}, {"path": "b", "label": "a"}], "row 2: has no split,"),
        (
            "csv",
            [GOOD | {"split": w} for w in ("train", "fold 1")],
            "row 3: split is 'fold 1'; use",
        ),
    ],
)
def test_bad_rows_are_kept_apart(tmp_path: Path, suffix: str, records: Records, match: str) -> None:
    source = read_table(write(tmp_path / f"t.{suffix}", records))
    assert [damage.reason[: len(match)] for damage in source.damaged] == [
        f"t.{suffix}, {match}"[: len(match)] if match.startswith("row") else match
    ]
    assert [row.key for rows in source.rows.values() for row in rows] == [
        "t#0" if suffix == "parquet" else "good"
    ]


def test_a_label_beyond_the_names(tmp_path: Path) -> None:
    info = {"info": {"features": {"label": {"names": ["one", "two"]}}}}
    metadata = {"huggingface": json.dumps(info)}
    path = write(tmp_path / "t.parquet", [{"path": "a", "label": 2}], metadata)
    assert read_table(path).damaged[0].reason == (
        "t.parquet, row 1: label 2 is none of the 2 named classes"
    )


def test_neither_bytes_nor_path(tmp_path: Path) -> None:
    records = [
        {"image": {"bytes": b"x", "path": None}, "label": "a"},
        {"image": {"bytes": None, "path": None}, "label": "a"},
    ]
    source = read_table(write(tmp_path / "t.parquet", records))
    with pytest.raises(DataError, match="t#1: the row has neither image bytes nor a path"):
        source.reader("t#1")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_tables(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    with pytest.raises(DataError, match="no such file"):
        read_table(path)
    path.write_bytes(b"\xff\xfe not a table \x00\x01")
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(DataError):
        read_table(path)


def test_a_row_longer_than_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,label\na,b,c\n")
    with pytest.raises(DataError, match="no column image or path or img"):
        read_table(path)


def test_a_jsonl_name_may_hold_a_unicode_line_separator(tmp_path: Path):
    file = tmp_path / "t.jsonl"
    row = {"path": "a\u2028b.jpg", "label": "x"}
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    read_table(file)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_table_that_may_not_be_read_says_so_in_few_words(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: Any, **__: Any):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)$"):
        read_table(tmp_path / f"t.{suffix}")


def test_columns_that_begin_in_a_later_row(images: Path) -> None:
    records = [{"path": "images/0.png", "label": "a"}]
    records += [
        {"path": f"images/{i}.png", "label": "a", "split": "test", "group": 7} for i in (1, 2)
    ]
    source = read_table(write(images / "t.jsonl", records))
    assert [row.group for row in source.rows["test"]] == ["7", "7"]
    assert [damage.key for damage in source.damaged] == ["t.jsonl, row 1"]


def other_names(images: Path) -> list[str]:
    """Return five names of one file."""
    (images / "images" / "soft.png").symlink_to("0.png")
    (images / "images" / "hard.png").hardlink_to(images / "images" / "0.png")
    absolute = str(images / "images" / "0.png")
    return ["images/0.png", "./images/0.png", absolute, "images/soft.png", "images/hard.png"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_two_classes_is_in_none(images: Path, suffix: str) -> None:
    names = other_names(images)
    records = [{"path": name, "label": "ab"[place == 3]} for place, name in enumerate(names)]
    records.append({"path": "images/1.png", "label": "a"})
    source = read_table(write(images / f"t.{suffix}", records))
    first = 2 if suffix == "csv" else 1
    assert [row.label for row in source.rows[WHOLE]] == ["a"]
    reason = f"is 'a' in row {first} and 'b' in row {first + 3}; an image has one class, correct"
    assert reason in source.damaged[0].reason
    assert [len(keys) for keys in source.contradictory] == [5]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_named_again_is_told(images: Path, suffix: str) -> None:
    records = [{"path": name, "label": "a"} for name in (*other_names(images), "images/1.png")]
    source = read_table(write(images / f"t.{suffix}", records))
    assert len(source.rows[WHOLE]) == 6
    assert source.notes[0].startswith("rows that name the file of a row before: 4 (first row ")


def test_a_file_in_two_splits_is_told(images: Path) -> None:
    records = [{"path": "images/0.png", "label": "a", "split": s} for s in ("train", "test")]
    source = read_table(write(images / "t.csv", records))
    assert source.notes[1] == (
        "files in more than one split: 1 (first images/0.png, in train and test): "
        "the figures flatter"
    )


def test_columns_that_are_not_read_and_rows_without_a_group_are_told(images: Path) -> None:
    records = [
        {"path": f"images/{i}.png", "label": "a", "subset": "test", "group": group}
        for i, group in enumerate(["x", "", "NaN", " "])
    ]
    source = read_table(write(images / "t.csv", records))
    assert [row.group for row in source.rows[WHOLE]] == ["x", None, None, None]
    assert source.notes == (
        "columns that are not read: subset",
        "rows without a group: 3 of 4 (first row 3)",
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_of_other_programs(images: Path, suffix: str) -> None:
    records = [{" File_Name": f"images\\{i}.png", "LABEL": "ab"[i % 2]} for i in range(4)]
    source = read_table(write(images / f"t.{suffix}", records))
    assert len(source.rows[WHOLE]) == 4
    for row in source.rows[WHOLE]:
        assert source.reader(row.key).shape == (40, 48, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"t.{suffix}")
    with pytest.raises(DataError, match="is a pipe or a device"):
        read_table(tmp_path / f"t.{suffix}")
