from dataclasses import replace
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Data
from fleetfoot.jobs.run_record import RunRecord, check_same_data, data_hash, write_data


@pytest.fixture(scope="module")
def digits() -> Data:
    return open_data("digits")


def test_a_run_begins_and_ends_in_one_file(tmp_path: Path):
    record = RunRecord(tmp_path)
    record.begin(net="fleetnet", seed=3)
    begun = read_json(record.path)
    assert begun["schema"] == "fleetfoot.run/1"
    assert (begun["status"], begun["exit_code"], begun["finished"]) == ("running", None, None)
    assert begun["net"] == "fleetnet"
    assert begun["device"]["threads"] >= 1
    record.end(exit_code=4, status="finished", seconds=1.5)
    ended = read_json(record.path)
    assert (ended["status"], ended["exit_code"], ended["seconds"]) == ("finished", 4, 1.5)
    assert ended["started"] == begun["started"]


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
    check_same_data(tmp_path, digits)
    moved = replace(digits, train=replace(digits.train, samples=digits.train.samples[1:]))
    assert data_hash(moved) != data_hash(digits)
    with pytest.raises(DataError, match="digits: is not the data"):
        check_same_data(tmp_path, moved)
