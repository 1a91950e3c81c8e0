from pathlib import Path

from fleetfoot.report.build import build_report
from fleetfoot.report.pictures import pictures
from fleetfoot.report.run_files import RunFiles, read_run
from tests.report.conftest import change, part


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
    tables = {"confusion-test", "confusion-val"}  # of few classes
    assert all(svg.startswith("<svg") for name, svg in found.items() if name not in tables)
    assert {found[name] for name in tables} == {""}


def test_no_data_no_charts() -> None:
    assert set(pictures(build_report(RunFiles("none"))).values()) == {""}


def test_a_far_budget_is_not_drawn(run_folder: Path) -> None:
    assert 'class="limit"' not in pictures(build_report(read_run(run_folder)))["latency"]
    bundle = part(run_folder, "bundle/bundle.json")
    near = bundle["budget"] | {"limit_ms": 1.5 * bundle["chosen"]["latency_ms_p50"]}
    change(run_folder, "bundle/bundle.json", budget=near)
    assert 'class="limit"' in pictures(build_report(read_run(run_folder)))["latency"]
