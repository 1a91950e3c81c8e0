from pathlib import Path
from typing import Any

import pytest

from fleetfoot.report.build import build_report
from fleetfoot.report.run_files import RunFiles, read_run

KEYS = [
    *("schema", "fleetfoot", "run", "headline", "choice", "evaluation", "curves", "latency"),
    *("parity", "reference", "data", "input", "device", "preprocess", "recipe", "head"),
    *("settings", "plan", "licences", "provenance", "missing"),
]


def test_every_key_is_always_there(run_folder: Path) -> None:
    assert list(build_report(RunFiles("none"))) == KEYS
    assert list(build_report(read_run(run_folder))) == KEYS


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
    assert headline["speedup"] == pytest.approx(8.97 / 1.694)
    assert (headline["budget_ms"], headline["budget_met"]) == (5.0, True)
    assert (headline["net"], headline["engine"], headline["size"]) == (
        "fasternet_t0",
        "openvino",
        224,
    )


@pytest.mark.parametrize(
    ("run", "bundle", "expected"),
    [
        ({}, {}, (None, None)),
        ({"budget_ms": 2.0}, {"budget": None}, (2.0, None)),
        ({"budget_ms": 2.0, "budget_met": False}, {}, (2.0, False)),
        ({"budget_ms": 2.0}, {"budget": {"limit_ms": 2.0, "met": True}}, (2.0, True)),
    ],
)
def test_budget(run: dict[str, Any], bundle: dict[str, Any], expected: tuple[Any, Any]) -> None:
    headline = build_report(RunFiles("r", run=run, bundle=bundle))["headline"]
    assert (headline["budget_ms"], headline["budget_met"]) == expected


@pytest.mark.parametrize(
    ("weights", "source", "licence"),
    [
        ({"source": "some-package 0.1", "licence": None}, "some-package 0.1", None),
        ({"source": "some-package 0.1", "license": "MIT"}, "some-package 0.1", "MIT"),
        ({"source": "none"}, "random: trained from scratch", "none needed"),
        (None, None, None),
    ],
)
def test_licence_of_the_initial_weights(
    weights: Any, source: str | None, licence: str | None
) -> None:
    lines = build_report(RunFiles("r", run={"weights": weights}))["licences"]
    line = next(line for line in lines if line["what"] == "initial weights")
    assert (line["source"], line["licence"]) == (source, licence)


def test_manifests_are_counted_not_copied() -> None:
    data = {"classes": ["a"], "splits": {"train": [{"key": "1"}, {"key": "2"}], "val": 3}}
    splits = build_report(RunFiles("r", data=data))["data"]["splits"]
    assert {name: split["images"] for name, split in splits.items()} == {"train": 2, "val": 3}


def test_names_that_utf8_cannot_hold() -> None:
    report = build_report(RunFiles("r", data={"classes": ["caf\udce9"]}))
    assert report["data"]["classes"] == ["caf?"]


def test_nan_is_unknown() -> None:
    report = build_report(RunFiles("r", bundle={"chosen": {"latency_ms_p50": float("nan")}}))
    assert report["headline"]["latency_ms_p50"] is None
