"""Tables as data sets: what is named twice, of two classes, in two spellings, or not there."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.audit import audit
from fleetfoot.data.open_data import open_data, open_for_evaluation
from fleetfoot.data.samples import Data

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.fixture
def root(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"cat": 10, "dog": 10})


def table(root: Path, *rows: str, columns: str = "path,label") -> str:
    """Write a table of these rows, or of the 20 images and these; return its path."""
    lines = [f"{label}/{i:03}.png,{label}" for label in ("cat", "dog") for i in range(10)]
    own = [row for row in rows if row.count(",") == columns.count(",")]
    path = root / "t.csv"
    path.write_text("\n".join([columns, *(lines if columns == "path,label" else []), *own]))
    return str(path)


def files(data: Data) -> dict[str, set[Path]]:
    return {
        name: {(Path(data.spec).parent / sample.key).resolve() for sample in split.samples}
        for name, split in data.splits.items()
    }


def again(form: str) -> list[str]:
    return [
        form.format(f"{label}/{i:03}.png") + f",{label}"
        for label in ("cat", "dog")
        for i in range(10)
    ]


@pytest.mark.parametrize("limit", [20_000, 5])
@pytest.mark.parametrize("form", ["{}", "./{}", "links/{}", "{}+links"])
def test_a_file_named_again_stays_in_its_split(
    root: Path, form: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetfoot.data.open_data.FULL_LIMIT", limit)  # 5: no pixels are compared
    (root / "links").symlink_to(root)
    forms = ["{}", "links/{}"] if form == "{}+links" else [form]
    spec = table(root, *(row for form in forms for row in again(form)))
    for seed in range(3):
        data = open_data(spec, seed=seed)
        found = files(data)
        assert not found["train"] & found["val"]
        assert len(found["train"] | found["val"]) == 20
        duplicates = audit(data).exact_duplicates
        assert sorted({len(group) for group in duplicates.groups}) == [1 + len(forms)]
        assert len(duplicates.groups) == 20
        assert duplicates.across_splits == duplicates.differing_labels == ()


def test_a_file_in_two_splits_is_listed(root: Path) -> None:
    rows = [
        f"{c}/{i:03}.png,{c},{'train' if i < 8 else 'val'}"
        for c in ("cat", "dog")
        for i in range(10)
    ]
    spec = table(root, *rows, "cat/000.png,cat,val", columns="path,label,split")
    found = audit(open_data(spec))
    assert found.exact_duplicates.across_splits == (("cat/000.png", "cat/000.png"),)
    assert any(note.startswith("files in more than one split: 1") for note in found.notes)


def test_a_file_of_two_classes_stops_or_is_skipped(root: Path) -> None:
    spec = table(root, "./cat/000.png,dog")
    reason = r"cat/000\.png: is 'cat' in row 2 and 'dog' in row 22; an image has one class"
    for opened in (open_data, lambda spec: open_for_evaluation(spec, ["cat", "dog"])):
        with pytest.raises(DataError, match=f"^1 of 20 images cannot be used: {reason}"):
            opened(spec)
    data = open_data(spec, skip_damaged=True)
    assert sum(map(len, data.splits.values())) == 19
    found = audit(data)
    torn = (("cat/000.png", "./cat/000.png"),)
    assert found.exact_duplicates.groups == found.exact_duplicates.differing_labels == torn
    assert len(found.damaged) == 1
    split = open_for_evaluation(spec, ["cat", "dog"], skip_damaged=True)
    assert len(split) == 19
    assert any("'dog' in row 22" in note for note in split.notes)


def test_rows_without_a_label_stop_or_are_skipped(root: Path) -> None:
    spec = table(root, "cat/001.png,", "dog/001.png,nan")
    with pytest.raises(DataError, match=r"^2 of 22 images cannot be used: t\.csv, row 22: has no"):
        open_data(spec)
    data = open_data(spec, skip_damaged=True)
    assert sum(map(len, data.splits.values())) == 20
    assert [damage.key for damage in audit(data).damaged] == ["t.csv, row 22", "t.csv, row 23"]


def test_many_damaged_rows_are_counted(root: Path) -> None:
    data = open_data(table(root, *(f"gone{i}.png,cat" for i in range(9))), skip_damaged=True)
    assert len(data.notes) == 6
    assert data.notes[0] == "left out: gone0.png: no such file"
    assert data.notes[5] == "left out: 4 more"
    assert len(audit(data).damaged) == 9


@pytest.mark.parametrize("skip", [True, False])
def test_a_table_whose_files_are_all_missing(root: Path, skip: bool) -> None:
    spec = table(root, "a.png,cat", "/x/b.png,dog")
    (root / "away").mkdir()
    moved = root / "away" / "t.csv"
    Path(spec).rename(moved)
    with pytest.raises(DataError) as caught:
        open_data(str(moved), skip_damaged=skip)
    assert str(caught.value) == (
        f"{moved}: none of the 22 files that it names is there; the first is cat/000.png, looked "
        f"for in {root / 'away'}; correct the paths or move the table"
    )


def test_a_table_without_any_label(root: Path) -> None:
    rows = [f"cat/{i:03}.png,," for i in range(10)]
    with pytest.raises(
        DataError, match=r"none of its 10 images can be used; the first: t\.csv, row 2"
    ):
        open_data(table(root, *rows, columns="path,label,group"))


def test_rows_without_a_group_fall_anywhere(root: Path) -> None:
    rows = [f"{c}/{i:03}.png,{c},{'g' if i < 2 else ''}" for c in ("cat", "dog") for i in range(10)]
    data = open_data(table(root, *rows, columns="path,label,group"))
    assert len(data.val) == 4
    assert len({sample.group for sample in data.val.samples}) == 1


@pytest.mark.parametrize("kind", ["table", "folder"])
def test_accents_in_two_forms_are_one_class(make_folder: Callable[..., Path], kind: str) -> None:
    counts = {f"train/{NFC}": 3, "train/dog": 3, f"val/{NFD}": 2, "val/dog": 2}
    root = make_folder(counts)
    spec = str(root)
    if kind == "table":
        rows = [
            f"{k}/{i:03}.png,{k[k.index('/') + 1 :]},{k.split('/')[0]}"
            for k, n in counts.items()
            for i in range(n)
        ]
        spec = table(root, *rows, columns="path,label,split")
    data = open_data(spec)
    assert data.classes == (NFC, "dog")
    assert sorted(data.val.labels.tolist()) == [0, 0, 1, 1]
    for names in ([NFC, "dog"], [NFD, "dog"]):
        labels = open_for_evaluation(spec, names, split="all").labels.tolist()
        assert sorted(labels) == [0] * 5 + [1] * 5


def test_one_form_alone_stays_as_it_is_spelled(make_folder: Callable[..., Path]) -> None:
    assert open_data(str(make_folder({NFD: 3, "dog": 3}))).classes == (NFD, "dog")


def test_an_empty_folder_in_the_other_form_is_no_class(make_folder: Callable[..., Path]) -> None:
    assert open_data(str(make_folder({NFC: 3, NFD: 0, "dog": 3}))).classes == (NFC, "dog")


def test_classes_that_are_alike_are_told(make_folder: Callable[..., Path]) -> None:
    root = make_folder({"train/cat": 3, "train/dog": 3, "val/Cat": 2, "val/dog": 2})
    with pytest.raises(DataError, match=r"'Cat' and 'cat' differ only in case.*; correct"):
        open_data(str(root))
    with pytest.raises(DataError, match=r"2 classes \('Cat' and 'cat' differ only in case"):
        open_for_evaluation(str(root), ["cat", "dog"])
    notes = open_data(str(make_folder({"cat": 3, "Cat": 3}, name="flat"))).notes
    assert notes[0].startswith("classes 'Cat' and 'cat' differ only in case")


def test_a_network_of_a_version_before_knows_numbers_with_points(root: Path) -> None:
    rows = [f"{c}/{i:03}.png,{c == 'dog':d}.0" for c in ("cat", "dog") for i in range(10)]
    spec = table(root, *rows, columns="path, label")
    assert open_data(spec).classes == ("0", "1")
    for names in (["0.0", "1.0"], ["0", "1"]):
        assert open_for_evaluation(spec, names).labels.tolist() == [0] * 10 + [1] * 10
