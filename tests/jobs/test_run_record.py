from pathlib import Path

from fleetfoot.core.files import read_json
from fleetfoot.jobs.run_record import RunRecord


def test_a_run_begins_and_ends_in_one_file(tmp_path: Path):
    record = RunRecord(tmp_path)
    record.begin(net="fleetnet", seed=3)
    begun = read_json(record.folder / "run.json")
    assert begun["schema"] == "fleetfoot.run/1"
    assert (begun["status"], begun["exit_code"], begun["finished"]) == ("running", None, None)
    assert begun["net"] == "fleetnet"
    assert begun["device"]["threads"] >= 1
    record.end(exit_code=4, status="finished", seconds=1.5)
    ended = read_json(record.folder / "run.json")
    assert (ended["status"], ended["exit_code"], ended["seconds"]) == ("finished", 4, 1.5)
    assert ended["started"] == begun["started"]
