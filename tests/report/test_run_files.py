from pathlib import Path

from fleetfoot.report.run_files import read_run


def test_a_whole_run_misses_nothing(run_folder: Path) -> None:
    files = read_run(run_folder)
    assert files.missing == {}
    assert files.name == "photos"
    assert len(files.metrics) == 8  # six steps, two evaluations
    assert files.config["run"]["net"] == "fleetnet_small"


def test_a_planned_run_can_be_read(run_folder: Path) -> None:
    for name in ("evaluation.json", "bundle/bundle.json", "metrics.jsonl"):
        (run_folder / name).unlink()
    assert set(read_run(run_folder).missing) == {"evaluation", "bundle", "metrics"}


def test_unreadable_bytes_are_a_reason(run_folder: Path) -> None:
    (run_folder / "metrics.jsonl").write_bytes(b"\xff\xfe")
    assert "cannot be read" in read_run(run_folder).missing["metrics"]
