"""The split of a run, found again after the folder of its images has changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError
from fleetfoot.data.open_data import open_data, open_for_evaluation
from fleetfoot.data.samples import Split
from fleetfoot.jobs.own_split import OwnSplits, own_splits
from fleetfoot.jobs.run_data import write_data
from fleetfoot.jobs.runs import Target, resolve


def picture(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for place in range(15):
            picture(tmp_path / "photos" / name / f"{place}.png", 100 * number + place)
    return tmp_path / "photos"


@pytest.fixture
def own(photos: Path, tmp_path: Path) -> OwnSplits:
    """What a run on these photos keeps of them, as `fit` writes it."""
    run = tmp_path / "run"
    (run / "bundle").mkdir(parents=True)
    write_data(run, open_data(str(photos)), audit=None)
    found = own_splits(Target("run", "run", run))
    assert found is not None
    return found


def now(photos: Path) -> Split:
    words = {"allow_class_mismatch": True, "skip_damaged": True}
    return open_for_evaluation(str(photos), ("cat", "dog"), split="all", **words)


def keys(split: Split) -> set[str]:
    return {sample.key for sample in split.samples}


def test_an_untouched_folder_gives_the_split_itself(photos: Path, own: OwnSplits):
    data = open_data(str(photos))
    assert (own.knows_pixels, own.names, own.final) == (True, ("train", "val"), "val")
    for name, split in data.splits.items():
        found = own.find(name, now(photos))
        assert [(s.index, s.key, s.label) for s in found.samples] == [
            (s.index, s.key, s.label) for s in split.samples
        ]
        assert (found.name, found.notes) == (name, ())


def test_images_that_were_added_are_in_no_split(photos: Path, own: OwnSplits):
    for number in range(40):
        picture(photos / "cat" / f"new{number}.png", 1000 + number)
    picture(photos / "cow.png", 1)  # in no class folder
    (photos / "cow").mkdir()
    picture(photos / "cow" / "0.png", 2)
    found = own.find("val", now(photos))
    assert keys(found) == set(own.pixels["val"])
    assert found.notes == (
        "40 images added since the run: in none of its splits (cat/new0.png, ...)",
    )


def test_renamed_images_are_known_by_their_pixels(photos: Path, own: OwnSplits):
    first, second, *_ = sorted(own.pixels["val"])
    (photos / first).rename(photos / "dog" / "renamed.png")
    trained = min(own.pixels["train"])
    (photos / trained).rename(photos / "dog" / "of training.png")
    found = own.find("val", now(photos))
    assert keys(found) == {*own.pixels["val"], "dog/renamed.png"} - {first}
    assert found.notes[0].startswith("1 val images of the run known by their pixels")
    assert "of training.png" in found.notes[1]
    assert second in keys(found)


def test_changed_and_lost_images_are_left_out(photos: Path, own: OwnSplits):
    changed, gone, damaged, *rest = sorted(own.pixels["val"])
    picture(photos / changed, 5000)
    (photos / gone).unlink()
    (photos / damaged).write_bytes(b"no picture")
    found = own.find("val", now(photos))
    assert keys(found) == set(rest)
    assert [sample.index for sample in found.samples] == list(range(len(rest)))
    assert found.notes == (
        f"2 val images of the run left out: they are gone or damaged ({min(gone, damaged)}, ...)",
        f"1 val images of the run left out: they were changed ({changed})",
    )


def test_a_training_image_under_the_name_of_a_validation_image_is_not_taken(
    photos: Path, own: OwnSplits
):
    val, trained = min(own.pixels["val"]), min(own.pixels["train"])
    shutil.copy(photos / trained, photos / val)
    assert val not in keys(own.find("val", now(photos)))


def test_with_none_of_its_images_there_is_no_split(photos: Path, own: OwnSplits):
    for key in own.pixels["val"]:
        (photos / key).unlink()
    with pytest.raises(DataError, match=r"none of the \d+ val images of \S+ is there"):
        own.find("val", now(photos))


def test_the_data_of_a_run_are_known_when_they_have_moved(
    photos: Path, own: OwnSplits, tmp_path: Path
):
    moved = tmp_path / "elsewhere"
    shutil.copytree(photos, moved)
    for place in (photos, moved):
        assert own.may_be(str(place))
        found = own.find_in(str(place), "val", now(place))
        assert found is not None
        assert keys(found) == set(own.pixels["val"])
    assert not own.may_be("digits")
    for number, file in enumerate(sorted(moved.rglob("*.png"))):
        picture(file, 9000 + number)  # other images of the same names
    assert own.may_be(str(moved))
    assert own.find_in(str(moved), "val", now(moved)) is None
    for file in moved.rglob("*.png"):
        file.rename(file.with_name(f"other {file.name}"))
    assert not own.may_be(str(moved))


def test_a_bundle_belongs_to_the_run_it_lies_in(own: OwnSplits):
    (own.run / "bundle" / "bundle.json").touch()
    found = own_splits(resolve(str(own.run / "bundle")))
    assert found is not None
    assert found == own
    assert own_splits(Target("net", "alexnet", None)) is None


@pytest.mark.parametrize(
    "splits",
    [[1], {"val": {}}, {"val": 3}, {"val": {"samples": [["a", 0]], "pixels_sha256": ["", ""]}}],
)
def test_a_damaged_record_is_one_line(own: OwnSplits, splits: Any):
    (own.run / "data.json").write_text(json.dumps({"spec": "digits", "splits": splits}))
    with pytest.raises(DataError, match=r"data\.json: is damaged"):
        own_splits(Target("run", "run", own.run))
