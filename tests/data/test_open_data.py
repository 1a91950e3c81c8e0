import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data import open_data as opening
from fleetfoot.data.open_data import open_data, open_for_evaluation

MakeFolder = Callable[..., Path]


def keys(split) -> set[str]:
    return {sample.key for sample in split.samples}


def test_a_flat_folder_gets_a_stratified_split(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 20, "dog": 10, "owl": 1})
    data = open_data(str(root))
    assert data.classes == ("cat", "dog", "owl")
    assert data.held_out
    assert np.bincount(data.val.labels, minlength=3).tolist() == [4, 2, 0]
    assert np.bincount(data.train.labels).tolist() == [16, 8, 1]
    assert not keys(data.train) & keys(data.val)
    assert [sample.index for sample in data.val.samples] == list(range(6))
    assert keys(open_data(str(root)).val) == keys(data.val)
    assert keys(open_data(str(root), seed=1).val) != keys(data.val)


def test_train_and_test_without_val(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 10, "train/b": 10, "test/a": 2, "test/b": 2})
    data = open_data(str(root))
    assert data.held_out
    assert (len(data.train), len(data.val)) == (16, 4)
    assert data.test is not None
    assert len(data.test) == 4
    assert list(data.splits) == ["train", "val", "test"]


def test_given_splits_are_kept(make_folder: MakeFolder) -> None:
    data = open_data(str(make_folder({"train/a": 3, "train/b": 3, "valid/a": 1, "valid/b": 2})))
    assert not data.held_out
    assert (len(data.train), len(data.val), data.test) == (6, 3, None)
    assert data.val.read(0).shape == (40, 48, 3)


def test_duplicates_stay_together(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 10, "b": 10})
    for number in range(6):
        shutil.copy(root / "a" / "000.png", root / "a" / f"copy{number}.png")
    for seed in range(5):
        data = open_data(str(root), seed=seed)
        together = {f"a/copy{number}.png" for number in range(6)} | {"a/000.png"}
        assert together <= keys(data.train) or together <= keys(data.val)


def test_groups_of_a_table_stay_together(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 20, "b": 20})
    with (root / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group"])
        writer.writerows(
            (f"{c}/{i:03}.png", c, f"patient {i // 3}") for c in "ab" for i in range(20)
        )
    data = open_data(str(root / "t.csv"))
    groups = [{sample.group for sample in split.samples} for split in (data.train, data.val)]
    assert not groups[0] & groups[1]
    assert len(data.val) > 3


def test_a_val_folder_that_differs(make_folder: MakeFolder) -> None:
    counts = {"train/a": 3, "train/b": 3, "train/c": 3, "val/a": 2, "val/c": 2, "val/d": 2}
    root = make_folder(counts)
    with pytest.raises(DataError, match="val: the split lacks class 'b' and has class 'd', unk"):
        open_data(str(root))
    data = open_data(str(root), allow_class_mismatch=True)
    assert data.classes == ("a", "b", "c")
    assert data.val.labels.tolist() == [0, 0, 2, 2]  # the others' labels are what they were
    assert [sample.index for sample in data.val.samples] == [0, 1, 2, 3]
    assert any("2 images left out" in note for note in data.notes)


def test_damage_stops_or_is_skipped(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 4, "train/b": 4, "val/a": 2, "val/b": 2})
    (root / "train" / "a" / "001.png").write_text("a text")
    with pytest.raises(
        DataError, match=r"^1 of 12 images cannot be used: train/a/001\.png: is not"
    ):
        open_data(str(root))
    data = open_data(str(root), skip_damaged=True)
    assert len(data.train) == 7
    assert [damage.key for damage in data.scan.damaged] == ["train/a/001.png"]
    assert any("train/a/001.png" in note for note in data.notes)


def test_who_skips_damage_skips_it_in_large_sets_too(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"a": 8, "b": 8})
    path = root / "b" / "005.png"
    path.write_bytes(path.read_bytes()[:-300])  # the header is whole
    for limit in ("FULL_LIMIT", "HEADER_LIMIT"):
        monkeypatch.setattr(opening, limit, 10)
        data = open_data(str(root), skip_damaged=True)
        assert [damage.key for damage in data.scan.damaged] == ["b/005.png"]
        assert all(
            split.read(s.index).size for split in data.splits.values() for s in split.samples
        )
        assert "16 images: decoded once for damage, near duplicates not searched" in data.notes
        found = open_for_evaluation(str(root), ("a", "b"), skip_damaged=True)
        assert len(found) == 15
        assert any("left out: b/005.png" in note for note in found.notes)
        assert any("--skip-damaged decodes them all" in note for note in open_data(str(root)).notes)


def test_a_class_of_no_pictures_says_what_it_holds(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 3, "b": 0})
    (root / "b" / "1.svg").write_text("<svg/>")
    with pytest.raises(
        DataError, match=r"'b' without images \(left out, no images: 1 \(b/1\.svg\)"
    ):
        open_data(str(root))


def test_what_a_folder_leaves_out_is_known_wherever_it_is_read(make_folder: MakeFolder) -> None:
    root = make_folder({"train/a": 4, "train/b": 4, "unlabelled/c": 3})
    note = "left out, a folder that is no split beside train (images in it: 3): 1 (unlabelled)"
    assert note in open_data(str(root)).notes
    assert note in open_for_evaluation(str(root), ("a", "b"), split="train").notes


def test_a_photograph_of_a_format_that_is_not_read_cannot_be_used(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 5, "b": 5})
    for number in range(3):
        (root / "a" / f"{number}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"^3 of 13 images cannot be used: a/0\.heic: HEIC is read"):
        open_data(str(root))
    assert len(open_data(str(root), skip_damaged=True).train.samples) == 8


@pytest.mark.parametrize(
    ("counts", "match"),
    [
        ({"a": 0, "b": 3}, "class 'a' without images; add images or remove the folder"),
        ({"train/a": 0, "train/b": 3, "val/b": 1}, "class 'a' without images"),
        ({"a": 0}, "class 'a' without images"),
        ({"a": 1}, "has one image of one class, 'a'; add a second class"),
        ({"a": 5}, "has 5 images of one class, 'a'"),
        ({"a": 1, "b": 1}, "no image can be held out for validation"),
        ({"val/a": 1, "val/b": 1}, "has no training images"),
        ({"eval/a": 1, "cat": 2}, r"no split beside eval \(images in it: 2\): 1 \(cat\)\); add"),
        ({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0}, "val: the split lacks class 'b'"),
    ],
)
def test_too_little(make_folder: MakeFolder, counts: dict[str, int], match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        open_data(str(make_folder(counts)))
    assert "\n" not in str(caught.value)


def test_words_that_name_nothing(tmp_path: Path) -> None:
    image = tmp_path / "a.jpg"
    image.touch()
    for spec, match in (
        (str(tmp_path / "photoss"), "photoss: no such folder or file; give a folder of class"),
        (str(tmp_path / "t.csv"), r"t\.csv: no such file"),
        (str(image), "is neither a folder nor a table"),
        ("mnist", "mnist: name the folder, as in mnist:DIR"),
        ("cifar10:", "cifar10:: name the folder"),
        ("mnist:/nowhere", "/nowhere is no folder"),
        (str(tmp_path), "has no class folders"),
    ):
        with pytest.raises(DataError, match=match):
            open_data(spec)


def test_a_path_that_leads_nowhere(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 3, "b": 3})
    lines = [f"{c}/{i:03}.png,{c}" for c in "ab" for i in range(3)]
    (root / "t.csv").write_text("\n".join(["path,label", *lines, "gone/x.png,a"]))
    with pytest.raises(DataError, match=r"1 of 7 images cannot be used: gone/x\.png: no such file"):
        open_data(str(root / "t.csv"))
    assert len(open_data(str(root / "t.csv"), skip_damaged=True).train) == 4


def test_large_sets_are_checked_less(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"a": 5, "b": 5})
    whole = (root / "a" / "000.png").read_bytes()
    (root / "a" / "000.png").write_bytes(whole[:-200])
    with pytest.raises(DataError, match="truncated"):
        open_data(str(root))
    monkeypatch.setattr("fleetfoot.data.open_data.FULL_LIMIT", 5)
    data = open_data(str(root))
    assert data.notes == (
        "10 images: headers checked only, near duplicates not searched (--skip-damaged decodes "
        "them all first)",
    )
    monkeypatch.setattr("fleetfoot.data.open_data.HEADER_LIMIT", 5)
    data = open_data(str(root))
    assert data.notes == (
        "10 images: not checked for damage, near duplicates not searched (--skip-damaged decodes "
        "them all first)",
    )


def test_digits() -> None:
    data = open_data("digits")
    assert (data.name, data.held_out, data.test) == ("digits", True, None)
    assert len(data.train) + len(data.val) == 1797
    assert abs(len(data.val) - 359) <= 5


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_built_in_sets_hold_out_5000(data_dir: Path, name: str) -> None:
    start = time.perf_counter()
    data = open_data(f"{name}:{data_dir / name}")
    assert time.perf_counter() - start < 15
    assert data.test is not None
    assert (len(data.val), len(data.test)) == (5_000, 10_000)
    assert len(data.train) == len({*keys(data.train)}) == {"mnist": 55_000, "cifar10": 45_000}[name]
    shares = np.bincount(data.val.labels) / np.bincount(data.train.labels)
    np.testing.assert_allclose(shares, len(data.val) / len(data.train), atol=3e-4)


def test_photographs(data_dir: Path) -> None:
    data = open_data(str(data_dir / "photos"))
    assert data.classes == ("bird", "dog", "food", "insect", "mammal", "reptile")
    assert (len(data.train), len(data.val)) == (290, 99)
    assert len(data.scan.facts) == 389


class TestForEvaluation:
    def test_which_split(self, make_folder: MakeFolder) -> None:
        counts = {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1, "test/a": 2, "test/b": 2}
        root = str(make_folder(counts))
        sizes = {None: 4, "test": 4, "val": 2, "train": 6, "all": 12}
        for split, size in sizes.items():
            assert len(open_for_evaluation(root, ["a", "b"], split=split)) == size
        flat = str(make_folder({"a": 10, "b": 10}, name="flat"))
        assert len(open_for_evaluation(flat, ["a", "b"])) == 20
        assert keys(open_for_evaluation(flat, ["a", "b"], split="val")) == keys(open_data(flat).val)
        with pytest.raises(DataError, match="has no split 'test'; it has all"):
            open_for_evaluation(flat, ["a", "b"], split="test")

    def test_digits_that_training_never_saw(self) -> None:
        split = open_for_evaluation("digits", [str(digit) for digit in range(10)])
        assert keys(split) == keys(open_data("digits").val)

    def test_labels_follow_the_network(self, make_folder: MakeFolder) -> None:
        root = str(make_folder({"a": 1, "b": 2}))
        assert open_for_evaluation(root, ["x", "b", "a"]).labels.tolist() == [2, 1, 1]
        aliases = {"a": "x", "b": "y"}
        split = open_for_evaluation(root, ["y", "x"], aliases=aliases)
        assert split.labels.tolist() == [1, 0, 0]

    def test_unknown_classes(self, make_folder: MakeFolder) -> None:
        root = str(make_folder({"a": 1, "b": 2}))
        with pytest.raises(DataError, match="class 'b' not among the network's 1 classes"):
            open_for_evaluation(root, ["a"])
        split = open_for_evaluation(root, ["a"], allow_class_mismatch=True)
        assert split.labels.tolist() == [0]
        assert split.notes == ("left out 2 images: class 'b' unknown (first b/000.png)",)
        with pytest.raises(DataError, match="no image is left"):
            open_for_evaluation(root, ["c"], allow_class_mismatch=True)

    def test_damage(self, make_folder: MakeFolder) -> None:
        root = make_folder({"a": 2, "b": 2})
        (root / "a" / "000.png").write_bytes(b"")
        with pytest.raises(DataError, match=r"a/000\.png: is empty"):
            open_for_evaluation(str(root), ["a", "b"])
        assert len(open_for_evaluation(str(root), ["a", "b"], skip_damaged=True)) == 3

    def test_damage_behind_the_header_is_left_to_the_reader(self, make_folder: MakeFolder) -> None:
        root = make_folder({"a": 2, "b": 2})
        cut = root / "b" / "000.png"
        cut.write_bytes(cut.read_bytes()[:-30])
        assert len(open_for_evaluation(str(root), ["a", "b"], decode=False)) == 4
        (root / "a" / "000.png").write_bytes(b"")
        with pytest.raises(DataError, match=r"2 of 4 images.*a/000\.png: is empty.*b/000\.png"):
            open_for_evaluation(str(root), ["a", "b"], decode=False)
        left = open_for_evaluation(str(root), ["a", "b"], skip_damaged=True, decode=False)
        assert len(left) == 3

    def test_the_imagenet_manifest(self, data_dir: Path) -> None:
        with (data_dir / "imagenet_classes.csv").open() as file:
            rows = list(csv.reader(file))[1:]
        manifest = str(data_dir / "imagenet_sample" / "manifest.csv")
        split = open_for_evaluation(manifest, [row[1] for row in rows])
        assert split.labels.tolist() == list(range(0, 1000, 2))
        aliases = {row[1]: row[2] for row in rows}
        named = open_for_evaluation(manifest, [row[2] for row in rows], aliases=aliases)
        wrong = named.labels != split.labels
        assert all(rows[a][2] == rows[b][2] for a, b in zip(named.labels, split.labels))
        assert wrong.sum() <= 2  # "crane" and "maillot" name two classes each

    def test_no_torch(self, make_folder: MakeFolder) -> None:
        code = (
            "import sys; from fleetfoot.data.open_data import open_for_evaluation\n"
            "open_for_evaluation(sys.argv[1], ['a', 'b']).read(0)\n"
            "sys.exit('torch' in sys.modules)"
        )
        root = str(make_folder({"a": 1, "b": 2}))
        assert subprocess.run([sys.executable, "-c", code, root], check=False).returncode == 0


def test_of_many_held_out_images_half_are_for_the_final_figure(
    make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fleetfoot.data.held_out.FINAL_FROM", 8)
    data = open_data(str(make_folder({"cat": 20, "dog": 20})))
    assert data.test is not None
    assert (len(data.train), len(data.val), len(data.test)) == (32, 4, 4)
    keys = [sample.key for split in data.splits.values() for sample in split.samples]
    assert len(set(keys)) == 40
    assert data.val.labels.tolist().count(0) == data.test.labels.tolist().count(0) == 2
    again = open_for_evaluation(data.spec, data.classes, split="test")
    assert {s.key for s in again.samples} == {s.key for s in data.test.samples}
