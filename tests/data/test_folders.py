from collections.abc import Callable
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.folders import read_folder
from fleetfoot.data.source import WHOLE

MakeFolder = Callable[..., Path]


def test_a_flat_folder(make_folder: MakeFolder) -> None:
    source = read_folder(make_folder({"cat": 2, "dog": 1}))
    assert [(row.key, row.label) for row in source.rows[WHOLE]] == [
        ("cat/000.png", "cat"),
        ("cat/001.png", "cat"),
        ("dog/000.png", "dog"),
    ]
    assert source.name == "set"


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation"])
@pytest.mark.parametrize("test", ["test", "testing"])
def test_splits_by_every_name(make_folder: MakeFolder, val: str, test: str) -> None:
    counts = {f"{split}/{label}": 1 for split in ("train", val, test) for label in "ab"}
    source = read_folder(make_folder(counts))
    assert {split: len(rows) for split, rows in source.rows.items()} == {
        "train": 2,
        "val": 2,
        "test": 2,
    }
    assert source.rows["val"][0].key == f"{val}/a/000.png"


def test_a_split_named_twice_is_refused(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 1, "val/a": 1, "valid/a": 1})
    with pytest.raises(DataError, match="val and valid are both val"):
        read_folder(root)


def test_a_class_may_be_called_train(make_folder: MakeFolder) -> None:
    source = read_folder(make_folder({"train": 2, "car": 2}))
    assert {row.label for row in source.rows[WHOLE]} == {"train", "car"}


def test_images_may_lie_deeper_and_links_in_circles(make_folder: MakeFolder) -> None:
    root = make_folder({"cat/2024/may": 2, "dog": 1})
    (root / "cat" / "again").symlink_to(root / "cat")
    rows = read_folder(root).rows[WHOLE]
    assert [row.label for row in rows] == ["cat", "cat", "dog"]


def test_other_files_are_counted_and_hidden_ones_ignored(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 1, "dog": 1, "__MACOSX/cat": 1, ".cache": 1})
    (root / "cat" / "readme.txt").write_text("x")
    (root / "cat" / ".DS_Store").write_text("x")
    source = read_folder(root)
    assert len(source.rows[WHOLE]) == 2
    assert source.notes == (
        "left out, hidden: 2 (.cache, cat/.DS_Store)",
        "left out, of the system: 1 (__MACOSX)",
        "left out, no images: 1 (cat/readme.txt)",
    )


def test_a_class_may_begin_with_two_underscores(make_folder: MakeFolder) -> None:
    source = read_folder(make_folder({"__background__": 1, "dog": 1}))
    assert {row.label for row in source.rows[WHOLE]} == {"__background__", "dog"}
    assert source.notes == ()


@pytest.mark.parametrize(
    ("beside", "note"),
    [
        (
            "holdout/a",
            "left out, a folder that is no split beside train (images in it: 2): 1 (holdout)",
        ),
        ("new", "left out, a folder that is no split beside train (images in it: 2): 1 (new)"),
        (
            "val",
            "left out, a split without class folders beside train (images in it: 2): 1 (val)",
        ),
    ],
)
def test_a_folder_beside_the_splits_is_named(
    make_folder: MakeFolder, beside: str, note: str
) -> None:
    source = read_folder(make_folder({"train/a": 1, "train/b": 1, beside: 2}))
    assert set(source.rows) == {"train"}
    assert source.notes == (note,)


def test_files_in_no_class_folder_are_named(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 1, "train/b": 1})
    for name in ("loose.jpg", "train/x.png", "train/y.png"):
        (root / name).touch()
    assert read_folder(root).notes == (
        "left out, in no class folder: 3 (loose.jpg, train/x.png, train/y.png)",
    )


def test_empty_classes_are_named(make_folder: MakeFolder) -> None:
    source = read_folder(make_folder({"cat": 1, "dog": 0}))
    assert source.empty_classes == {WHOLE: ("dog",)}


def test_nothing_there(tmp_path: Path, make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        read_folder(tmp_path / "nowhere")
    root = make_folder({})
    root.mkdir()
    with pytest.raises(DataError, match="has no class folders; put the images"):
        read_folder(root)


def test_a_folder_that_cannot_be_read(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"cat": 1})

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"set: cannot be read \(Permission denied\)"):
        read_folder(root)
