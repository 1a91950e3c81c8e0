import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError
from fleetfoot.data.open_data import open_data

MakeFolder = Callable[..., Path]


def camera(root: Path, noise: Callable, frames: int, *, classes: str = "ab", same: int = 0) -> Path:
    """One scene in every frame, with a mark of the class and noise of its own."""
    scene = noise(0).astype(int)
    generator = np.random.default_rng(0)
    for number, label in enumerate(classes):
        (root / label).mkdir(parents=True)
        for frame in range(frames):
            pixels = scene + (0 if frame < same else generator.integers(-2, 3, scene.shape))
            pixels[:4, 4 * number : 4 * number + 4] = 255
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(root / label / f"{frame:04}.png")
    return root


def test_of_a_fixed_camera_stretches_are_held_out(tmp_path: Path, noise: Callable) -> None:
    data = open_data(str(camera(tmp_path / "set", noise, 40)))
    assert Counter(sample.label for sample in data.val.samples) == {0: 8, 1: 8}
    places = sorted(int(sample.key[2:6]) for sample in data.val.samples if sample.label == 0)
    assert Counter(place // 4 for place in places) in (
        {a: 4, b: 4} for a in range(10) for b in range(a)
    )
    assert any(
        re.search(r"^80 images of classes 'a', 'b' are near duplicates.*fixed camera", n)
        for n in data.notes
    )
    assert data.val.samples == open_data(str(tmp_path / "set")).val.samples


def test_exact_copies_stay_together_there_too(tmp_path: Path, noise: Callable) -> None:
    data = open_data(str(camera(tmp_path / "set", noise, 40, same=20)))
    for label in "ab":
        copies = {f"{label}/{frame:04}.png" for frame in range(20)}
        train = {sample.key for sample in data.train.samples}
        assert copies <= train or not copies & train


def test_a_class_whose_frames_are_all_alike_is_held_out_beside_others(
    make_folder: MakeFolder, noise: Callable
) -> None:
    root = make_folder({"b": 30})
    pairs = [noise(200 + number).astype(int) for number in range(10)]
    for number, pixels in enumerate(pairs):  # near duplicates of the other class stay together
        for again in range(2):
            Image.fromarray((pixels + again).clip(0, 255).astype(np.uint8)).save(
                root / "b" / f"pair{number}_{again}.png"
            )
    camera(root, noise, 60, classes="a")
    for seed in range(3):
        data = open_data(str(root), seed=seed)
        val = [sample.key for sample in data.val.samples]
        assert sum(key.startswith("a/") for key in val) == 12
        assert any("60 images of class 'a' are near duplicates" in note for note in data.notes)
        held = Counter(key[: len("b/pair0")] for key in val if "pair" in key)
        assert set(held.values()) <= {2}


def test_where_enough_can_be_held_out_near_duplicates_stay_together(
    make_folder: MakeFolder, noise: Callable
) -> None:
    root = make_folder({"a": 20, "b": 20})
    camera(root / "more", noise, 8, classes="x")
    for frame in (root / "more" / "x").iterdir():
        frame.rename(root / "a" / f"frame{frame.name}")
    (root / "more" / "x").rmdir()
    (root / "more").rmdir()
    for seed in range(4):
        data = open_data(str(root), seed=seed)
        inside = {"frame" in sample.key for sample in data.val.samples}
        frames = sum("frame" in sample.key for sample in data.val.samples)
        assert frames in (0, 8), inside
        assert not any("fixed camera" in note for note in data.notes)


def test_why_nothing_can_be_held_out_is_true(make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"validation \(every class has one image\); add images"):
        open_data(str(make_folder({"a": 1, "b": 1})))
    root = make_folder({"c": 1, "d": 1}, "copies")
    for label in "cd":
        first = (root / label / "000.png").read_bytes()
        for number in range(1, 30):
            (root / label / f"{number:03}.png").write_bytes(first)
    with pytest.raises(DataError, match=r"its 60 images are 2 different ones, copies and groups"):
        open_data(str(root))
