"""FixRes: photographs by the class in their name, and the points of a size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.regularisers import fixres


def test_photographs_carry_their_class_in_their_name(tmp_path: Path) -> None:
    folder = tmp_path / "imagenet_sample"
    folder.mkdir()
    for name in ("0004_n2_b", "0000_n1_a"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / f"{name}.jpg")
    split = fixres._photographs(Setting(data=tmp_path))
    assert split.labels.tolist() == [0, 4]
    assert split.read(1).shape == (4, 4, 3)


def test_a_gain_is_the_difference_photograph_by_photograph(monkeypatch) -> None:
    hits = {224: (True, False, False, True), 288: (True, True, True, True)}
    monkeypatch.setattr(fixres, "right", lambda size, setting: hits[size])
    found = fixres.gained(288)(Setting())
    assert found.value == pytest.approx(50.0)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 50 / 2)
    assert [row["top1_percent"] for row in found.table] == [50.0, 100.0]
