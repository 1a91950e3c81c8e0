from pathlib import Path

import pytest

from fleetfoot.report.build import build_report
from fleetfoot.report.run_files import RunFiles, read_run
from tests.report.conftest import change, part

KEYS = [
    *("schema", "fleetfoot", "run", "headline", "use", "busy", "choice", "evaluation", "curves"),
    *("latency", "parity", "reference", "data", "input", "device", "preprocess", "recipe", "head"),
    *("settings", "plan", "licences", "provenance", "missing"),
]


def test_every_key_is_always_there(run_folder: Path) -> None:
    assert list(build_report(RunFiles("none"))) == KEYS
    assert list(build_report(read_run(run_folder))) == KEYS


@pytest.mark.parametrize(("load", "busy"), [(1.0, False), (2.6, True), (None, False)])
def test_a_busy_machine_is_said(load: float | None, busy: bool) -> None:
    device = {"load_1min": load, "cores_allowed": 2}
    found = build_report(RunFiles("r", bundle={"device": device}))["busy"]
    assert found == (device if busy else None)


def test_the_head_phase_is_a_part_of_some_runs() -> None:
    assert build_report(RunFiles("r"))["head"] is None
    head = {"schema": "fleetfoot.head/1", "form": "class_map", "linear_accuracy": 0.9}
    assert build_report(RunFiles("r", head=head))["head"] == {
        "form": "class_map",
        "linear_accuracy": 0.9,
    }


def test_headline_takes_the_final_split(run_folder: Path) -> None:
    headline = build_report(read_run(run_folder))["headline"]
    assert (headline["split"], headline["role"]) == ("test", "final")
    test = part(run_folder, "evaluation.json")["test"]
    assert (headline["top1"], headline["images"]) == (test["top1"], 24)
    bundle = part(run_folder, "bundle/bundle.json")
    eager = next(y for y in bundle["baselines"] if y["precision"] == "float32")
    assert headline["speedup"] == pytest.approx(
        eager["latency_ms_p50"] / bundle["chosen"]["latency_ms_p50"]
    )
    assert headline["engine"] == bundle["chosen"]["engine"]
    assert (headline["net"], headline["size"]) == ("fleetnet_small", 16)


def test_the_budget_is_verified_on_the_bundle(run_folder: Path) -> None:
    def budget() -> tuple[float | None, bool | None]:
        headline = build_report(read_run(run_folder))["headline"]
        return headline["budget_ms"], headline["budget_met"]

    assert budget() == (500.0, True)
    verified = part(run_folder, "bundle/bundle.json")["budget"]
    change(run_folder, "bundle/bundle.json", budget=verified | {"met": False})
    assert budget() == (500.0, False)
    (run_folder / "bundle" / "bundle.json").unlink()
    assert budget() == (500.0, None)
    change(run_folder, "run.json", budget_ms=None)
    assert budget() == (None, None)


def test_licence_of_the_initial_weights(run_folder: Path) -> None:
    def line() -> tuple[str | None, str | None]:
        lines = build_report(read_run(run_folder))["licences"]
        found = next(line for line in lines if line["what"] == "initial weights")
        return found["source"], found["licence"]

    assert line() == ("trained from scratch", "yours")
    change(run_folder, "run.json", initial_weights={"source": "a/path", "licence": "unknown"})
    assert line() == ("a/path", "unknown")
    (run_folder / "run.json").unlink()  # a bundle alone
    assert line() == ("trained from scratch", "yours")


def test_the_command_can_be_copied(run_folder: Path) -> None:
    change(run_folder, "run.json", command=["fleetfoot", "fit", "my photos"])
    provenance = build_report(read_run(run_folder))["provenance"]
    assert provenance["command"] == "fleetfoot fit 'my photos'"


def test_without_a_bundle_there_is_no_parity(run_folder: Path) -> None:
    assert build_report(read_run(run_folder))["parity"] is not None
    (run_folder / "bundle" / "bundle.json").unlink()
    assert build_report(read_run(run_folder))["parity"] is None


def test_manifests_are_counted_not_copied(run_folder: Path) -> None:
    splits = build_report(read_run(run_folder))["data"]["splits"]
    assert {name: split["images"] for name, split in splits.items()} == {
        "train": 48,
        "val": 25,
        "test": 24,
    }
    assert splits["val"] == {"images": 25, "class_counts": [4, 4, 4, 5, 4, 4]}


def test_names_that_utf8_cannot_hold(run_folder: Path) -> None:
    change(run_folder, "data.json", classes=["caf\udce9"])
    report = build_report(read_run(run_folder))
    assert report["data"]["classes"] == ["caf?"]


def test_nan_is_unknown(run_folder: Path) -> None:
    chosen = part(run_folder, "bundle/bundle.json")["chosen"]
    change(run_folder, "bundle/bundle.json", chosen=chosen | {"latency_ms_p50": float("nan")})
    report = build_report(read_run(run_folder))
    assert report["headline"]["latency_ms_p50"] is None
