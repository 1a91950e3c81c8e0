import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.results import to_json
from fleetfoot.data.audit import audit
from fleetfoot.data.decode import ORIENTATION_TAG
from fleetfoot.data.open_data import open_data


@pytest.fixture
def root(make_folder: Callable[..., Path], noise: Callable, saved: Callable) -> Path:
    root = make_folder({"train/a": 9, "train/b": 3, "val/a": 2, "val/b": 2})
    shutil.copy(root / "train" / "a" / "000.png", root / "val" / "a" / "copy.png")
    shutil.copy(root / "train" / "a" / "001.png", root / "train" / "b" / "wrong.png")
    again = saved(noise(2), "JPEG", quality=80)  # train/a/002.png, saved again
    (root / "val" / "b" / "again.jpg").write_bytes(again)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    (root / "train" / "b" / "turned.jpg").write_bytes(
        saved(noise(77, height=100, width=300), "JPEG", exif=exif)
    )
    (root / "val" / "b" / "bad.png").write_text("no image")
    return root


def test_everything_there_is_to_find(root: Path) -> None:
    found = audit(open_data(str(root), skip_damaged=True))
    assert found.images == {"train": 14, "val": 6}
    assert found.classes == {"a": {"train": 9, "val": 3}, "b": {"train": 5, "val": 3}}
    assert found.imbalance == pytest.approx(9 / 5)
    assert [damage.key for damage in found.damaged] == ["val/b/bad.png"]
    assert found.exif_turned == ("train/b/turned.jpg",)
    copy = ("train/a/000.png", "val/a/copy.png")
    wrong = ("train/a/001.png", "train/b/wrong.png")
    again = ("train/a/002.png", "val/b/again.jpg")
    assert found.exact_duplicates.groups == (copy, wrong)
    assert found.exact_duplicates.across_splits == (copy,)
    assert found.exact_duplicates.differing_labels == (wrong,)
    assert found.near_duplicates.groups == (again,)
    assert found.near_duplicates.across_splits == (again,)
    assert found.short_sides == {"33-64": 19, "65-128": 1}
    assert (found.smallest, found.largest) == ((48, 40), (300, 100))
    assert found.modes == {"RGB": 20}
    assert found.formats == {"PNG": 18, "JPEG": 2}
    assert found.extensions == {".png": 18, ".jpg": 2}
    json.dumps(to_json(found, schema="fleetfoot.audit/1"), allow_nan=False)


def test_groups_across_splits(make_folder: Callable[..., Path]) -> None:
    root = make_folder({"a": 4, "b": 4})
    lines = [
        f"{c}/{i:03}.png,{c},{'train' if i < 3 else 'val'},g{i % 3}" for c in "ab" for i in range(4)
    ]
    (root / "t.csv").write_text("\n".join(["path,label,split,group", *lines]))
    assert audit(open_data(str(root / "t.csv"))).groups_across_splits == ("g0",)


def test_built_in_sets_are_sampled() -> None:
    data = open_data("digits")
    assert audit(data).looked_at == 1797
    sampled = audit(data, limit=100)
    assert 90 <= sampled.looked_at <= 100
    assert sampled.notes[-1].startswith("looked at")
    assert sampled.modes == {"RGB": sampled.looked_at}
    assert sampled.extensions == {}


def test_photographs_quickly(data_dir: Path) -> None:
    start = time.perf_counter()
    found = audit(open_data(str(data_dir / "photos")))
    assert time.perf_counter() - start < 5
    assert found.looked_at == 389
    assert found.imbalance == pytest.approx(88 / 28)
    assert found.exact_duplicates.groups == ()
    assert np.isfinite(found.seconds)
