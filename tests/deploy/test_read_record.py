import json
import shutil
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.read_record import FORMAT, SCHEMA, read_record
from fleetfoot.deploy.write_bundle import verify_golden

OLD = Path(__file__).parents[1] / "samples" / "finished" / "bundle"
SECOND = Path(__file__).parents[1] / "samples" / "bundle_2"


def test_what_is_written_is_the_newest_format(record):
    assert (
        (record.content["schema"], record.content["format"])
        == (SCHEMA, FORMAT)
        == (
            "fleetfoot.bundle/3",
            3,
        )
    )
    assert read_record(record.path) == record.content


def test_format_1_is_read_with_the_keys_of_today():
    written, read = read_json(OLD / "bundle.json"), read_record(OLD)
    assert (written["schema"], written["format"]) == ("fleetfoot.bundle/1", 1)
    assert read["baselines"] == written["yardsticks"] != []
    assert read.keys() ^ written.keys() == {"baselines", "yardsticks", "calibration", "use"}
    assert (read["calibration"], read["use"]) == (None, None)


def test_format_2_is_read_without_temperature():
    written, read = read_json(SECOND / "bundle.json"), read_record(SECOND)
    assert (written["schema"], written["format"]) == ("fleetfoot.bundle/2", 2)
    assert read.keys() ^ written.keys() == {"calibration", "use"}
    loaded = load(SECOND)
    assert loaded.temperature == 1.0
    assert verify_golden(loaded) < 1e-4


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "1", None, True, [1.0]])
def test_a_temperature_that_is_no_positive_number_is_refused(record, tmp_path: Path, value):
    folder = shutil.copytree(record.path, tmp_path / "bundle")
    content = record.content | {"calibration": {"temperature": value}}
    (folder / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="is no positive number"):
        read_record(folder)
