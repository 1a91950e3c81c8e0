from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.listener import SILENT
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Data
from fleetfoot.jobs.run_data import check_same_data, data_hash, open_run_data, write_data


@pytest.fixture(scope="module")
def digits() -> Data:
    return open_data("digits")


def test_the_manifest_names_every_image(tmp_path: Path, digits: Data):
    write_data(tmp_path, digits, audit={"images": 3})
    written = read_json(tmp_path / "data.json")
    assert written["classes"] == list(digits.classes)
    assert written["splits"]["train"]["images"] == len(digits.train)
    assert sum(written["splits"]["val"]["class_counts"]) == len(digits.val)
    first = digits.train.samples[0]
    assert written["splits"]["train"]["samples"][0] == [first.key, first.label]


def test_the_same_data_pass_and_other_data_do_not(tmp_path: Path, digits: Data):
    write_data(tmp_path, digits, audit=None)
    check_same_data(tmp_path, digits, otherwise="stop")
    moved = replace(digits, train=replace(digits.train, samples=digits.train.samples[1:]))
    assert data_hash(moved) != data_hash(digits)
    with pytest.raises(DataError, match=r"digits: is not the data.*; stop$"):
        check_same_data(tmp_path, moved, otherwise="stop")


@pytest.mark.parametrize(
    "damage",
    [{"splits": 3}, {"splits": {"train": {}, "val": {}}}, {"splits": {"train": {"samples": [1]}}}],
)
def test_a_damaged_record_is_one_line(tmp_path: Path, damage: dict[str, Any]):
    words = {"skip_damaged": False, "allow_class_mismatch": False}
    write_json(tmp_path / "run.json", {"data": "digits", **words})
    write_json(tmp_path / "data.json", damage)
    with pytest.raises(DataError, match=r"data\.json: is damaged"):
        open_run_data(tmp_path, listener=SILENT, otherwise="stop")
    write_json(tmp_path / "run.json", {"data": 4, **words})
    with pytest.raises(DataError, match=r"no config\.toml"):
        open_run_data(tmp_path, listener=SILENT, otherwise="stop")
