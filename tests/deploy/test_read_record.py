from pathlib import Path

from fleetfoot.core.files import read_json
from fleetfoot.deploy.read_record import FORMAT, SCHEMA, read_record

OLD = Path(__file__).parents[1] / "samples" / "finished" / "bundle"


def test_what_is_written_is_the_newest_format(record):
    assert (
        (record.content["schema"], record.content["format"])
        == (SCHEMA, FORMAT)
        == (
            "fleetfoot.bundle/2",
            2,
        )
    )
    assert read_record(record.path) == record.content


def test_format_1_is_read_with_the_keys_of_today():
    written, read = read_json(OLD / "bundle.json"), read_record(OLD)
    assert (written["schema"], written["format"]) == ("fleetfoot.bundle/1", 1)
    assert read["baselines"] == written["yardsticks"] != []
    assert read.keys() ^ written.keys() == {"baselines", "yardsticks"}
