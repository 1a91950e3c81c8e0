from pathlib import Path

from fleetfoot.report.build import build_report
from fleetfoot.report.pictures import pictures
from fleetfoot.report.run_files import RunFiles, read_run


def test_every_chart_of_a_whole_run(run_folder: Path) -> None:
    found = pictures(build_report(read_run(run_folder)))
    assert sorted(found) == [
        "accuracy",
        "calibration-test",
        "calibration-val",
        "confusion-test",
        "confusion-val",
        "latency",
        "loss",
        "lr",
    ]
    assert all(svg.startswith("<svg") for svg in found.values())


def test_no_data_no_charts() -> None:
    assert set(pictures(build_report(RunFiles("none"))).values()) == {""}


def test_a_far_budget_is_not_drawn() -> None:
    cell = {"engine": "openvino", "precision": "float32", "latency_ms_p50": 1.0}
    files = RunFiles("r", bundle={"chosen": cell, "budget": {"budget_ms": 50.0, "met": True}})
    assert 'class="limit"' not in pictures(build_report(files))["latency"]
    files = RunFiles("r", bundle={"chosen": cell, "budget": {"budget_ms": 1.5, "met": True}})
    assert 'class="limit"' in pictures(build_report(files))["latency"]
