"""The docs say what the program and the stored results say; results here are made up, in memory."""

import dataclasses
import doctest
import importlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fleetfoot.claims.claim import Claim, Control, Measurement
from fleetfoot.claims.judgement import judge
from fleetfoot.claims.ledger import claims
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.stored import Result, store, stored
from fleetfoot.measure.provenance import Provenance
from fleetfoot.report.measure_page import build_measure_report

DOCS = Path(__file__).parents[2] / "docs"
MODULES = ("ledger_words", "ledger_pages", "pictures", "results", "measurements", "methods")
MODULES += ("generate",)

Json = dict[str, Any]


@pytest.fixture
def docs(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(DOCS))
    return {name: importlib.import_module(name) for name in MODULES}


def a_claim(identity: str, **words: Any) -> Claim:
    def measure(_: Any) -> Measurement:
        raise AssertionError("docs measure nothing")

    facts = {"unit": "times", "paper_value": 2.0, "rule": at_least(2.0, 1.5), **words}
    footing: Json = {"cpu": "as published", "gpu": "stand-in"}
    return Claim(
        id=identity,
        paper="arXiv:2303.03667v3, Table 1",
        sentence="It is fast.",
        protocol="A stop watch.",
        measure=measure,
        control=Control("it is slow", measure),
        footing=footing,
        **facts,
    )


def a_result(claim: Claim, value: float, folder: Path, table: tuple[Json, ...] = ()) -> None:
    low, high = 0.9 * value, 1.1 * value
    machine = {"cpu": "a cpu", "cores": 2, "accelerator": None, "python": "3.11"}
    measurement = Measurement(value=value, table=table, low=low, high=high, note="Mind | this.")
    control = Measurement(value=0.5)
    result = Result(
        **{"id": claim.id, "scale": "cpu", "unit": claim.unit, "paper_value": claim.paper_value},
        **{"measurement": measurement, "control": control, "control_error": None},
        judgement=judge(claim, measurement, control, "cpu"),
        **{"rule_sha256": "", "minutes": 1.25, "borrowed_minutes": 0.0},
        provenance=Provenance(
            **{"date": "2026-01-02T03:04:05Z", "machine": machine, "versions": {"torch": "9.9"}},
            **{"commit": "0123456789abcdef", "dirty": False, "code_sha256": "", "load_1min": 0.25},
        ),
    )
    store(result, folder)


def test_a_measured_claim_is_told_whole(docs: dict[str, ModuleType], tmp_path: Path) -> None:
    claim = a_claim("fasternet/made-up")
    a_result(claim, 2.5, tmp_path, ({"map": "a|b", "ms": 1.23456, "macs": 1_000_000},))
    results = stored([tmp_path])
    pictures = docs["pictures"].ledger_pictures([claim], results)
    pages = docs["ledger_pages"].ledger_pages([claim], results, pictures)
    assert set(pages) == {"reference/claims.md", "papers/fasternet.md"}
    page = pages["papers/fasternet.md"]
    for words in (
        *("It is fast. (Table 1)", "A stop watch.", "it is slow", "| paper | 2 | times |"),
        *("reproduced at 2 or more, partly at 1.5 or more", "**2.5**", "interval 2.25 to 2.75"),
        *(
            "**reproduced** (as published)",
            "| control | 0.5 | failed as it should |",
            "2 cores (a cpu)",
        ),
        *(
            "decided at: cpu (as published), gpu (stand-in).",
            "2026-01-02",
            "1.2 minutes",
            "load 0.2 before it",
            "torch 9.9",
            "commit 0123456789",
            "Mind | this.",
        ),
        *("| a\\|b | 1.235 | 1,000,000 |", "../images/claims-fasternet.svg"),
    ):
        assert words in page, words
    assert "1 claim, 1 of them measured, 1 results decided. `fl" in pages["reference/claims.md"]
    assert "../papers/fasternet.md#fasternetmade-up" in pages["reference/claims.md"]


def test_two_scales_are_both_told_and_smoke_only_alone(
    docs: dict[str, ModuleType], tmp_path: Path
) -> None:
    claim = a_claim("fasternet/made-up")
    a_result(claim, 2.5, tmp_path)
    results = stored([tmp_path])
    cpu = results[claim.id, "cpu"]
    both = {**results, (claim.id, "smoke"): dataclasses.replace(cpu, scale="smoke")}
    told = judge(claim, cpu.measurement, cpu.control, "gpu")
    both[claim.id, "gpu"] = dataclasses.replace(cpu, scale="gpu", minutes=0.5, judgement=told)
    pages = docs["ledger_pages"].ledger_pages([claim], both, {})
    page, index = pages["papers/fasternet.md"], pages["reference/claims.md"]
    assert "at the gpu scale in 30 seconds" in page
    assert "at the cpu scale" in page
    assert "at the smoke scale" not in page
    rows = [line for line in index.splitlines() if line.startswith("| [`fasternet/made-up`]")]
    assert ["(gpu)" in row for row in rows] == [True, False]
    assert "**points the same way** (stand-in) (gpu)" in rows[0]
    assert "1 claim, 1 of them measured, 2 results decided." in index
    table = docs["ledger_words"].footing_table([claim], both).splitlines()
    assert table[0] == "| footing | reproduced | points the same way |"
    assert table[2:] == ["| as published | 1 |  |", "| stand-in |  | 1 |"]
    drawn = docs["pictures"].ledger_pictures([claim], both)["claims.svg"]
    assert "fasternet/made-up (gpu)" in drawn


def test_what_limits_a_result_is_told(docs: dict[str, ModuleType], tmp_path: Path) -> None:
    """An interval at a border, a control that broke, shared figures, the driver of a device."""
    claim = a_claim("fasternet/made-up")
    a_result(claim, 2.1, tmp_path)
    results = stored([tmp_path])
    (cpu,) = results.values()
    machine = {"accelerator": "a gpu", "driver": "580.1", "cuda": "13.0"}
    provenance = dataclasses.replace(cpu.provenance, machine={**cpu.provenance.machine, **machine})
    words: Json = {"borrowed_minutes": 3.5, "provenance": provenance}
    trained = dataclasses.replace(
        cpu.measurement, table=({"way": "with", "train_error_percent": 58.25},)
    )
    border = dataclasses.replace(cpu, measurement=trained, **words)
    broken = dataclasses.replace(
        *(cpu,), control=None, judgement=judge(claim, cpu.measurement, None, "cpu"),
        **{"control_error": "no | way"}, **words,
    )  # fmt: skip
    results = {(claim.id, "cpu"): border, (claim.id, "gpu"): broken}
    pictures = docs["pictures"].ledger_pictures([claim], results)
    pages = docs["ledger_pages"].ledger_pages([claim], results, pictures)
    page = pages["papers/fasternet.md"]
    assert "undecided: the interval contains a border of the rule (as published)" in page
    assert "Training images wrong at the end: 58.2 % (with)." in page
    assert "undecided: its control was not run" in page
    assert "| control | | not run: no \\| way |" in page
    assert "for another claim in 3.5 minutes just before, on a gpu (driver 580.1, CUDA" in page


def test_the_picture_has_a_dot_for_each_measured_claim(
    docs: dict[str, ModuleType], tmp_path: Path
) -> None:
    two = [a_claim("fasternet/fast"), a_claim("fasternet/slow")]
    without = a_claim("fasternet/no-figure", paper_value=None)
    for claim, value in zip([*two, without], (2.5, 1.0, 3.0)):
        a_result(claim, value, tmp_path)
    pictures = docs["pictures"].ledger_pictures([*two, without], stored([tmp_path]))
    assert set(pictures) == {"claims.svg", "claims-fasternet.svg"}
    root = ET.fromstring(pictures["claims.svg"])
    groups = root.findall("{http://www.w3.org/2000/svg}g")
    dots = [group[-1].get("class") for group in groups]
    assert dots == ["dot good", "dot bad"]  # a verdict of "not reproduced" is drawn as plainly


def test_costs_of_many_networks_are_drawn(docs: dict[str, ModuleType], tmp_path: Path) -> None:
    claim = a_claim("measuring/made-up")
    rows = tuple(
        {
            "net": f"net{i}",
            "macs": 10**8 + i,
            "bytes_moved": 10**6 * (i + 1),
            "latency_ms_p50": 2.0 + i,
        }
        for i in range(12)
    )
    a_result(claim, 2.5, tmp_path, rows)
    pictures = docs["pictures"].ledger_pictures([claim], stored([tmp_path]))
    assert {"measuring.made-up.macs.svg", "measuring.made-up.bytes.svg"} <= set(pictures)
    page = docs["ledger_pages"].ledger_pages([claim], stored([tmp_path]), pictures)
    assert "../images/measuring.made-up.macs.svg" in page["papers/fasternet.md"]
    root = ET.fromstring(pictures["measuring.made-up.macs.svg"])
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 12 + 1  # and the legend's
    assert "rank correlation 1.00" in pictures["measuring.made-up.macs.svg"]


def test_a_claim_without_a_result_says_so(docs: dict[str, ModuleType]) -> None:
    claim = a_claim("fasternet/new")
    assert docs["pictures"].ledger_pictures([claim], {}) == {}
    page = docs["ledger_pages"].ledger_pages([claim], {}, {})["papers/fasternet.md"]
    assert "not measured yet" in page
    assert "![" not in page


def test_a_method_shows_what_was_measured_of_it(
    docs: dict[str, ModuleType], tmp_path: Path
) -> None:
    two = [a_claim("regularisers/drop-block"), a_claim("gradinit/made-up")]
    for claim in two:
        a_result(claim, 2.5, tmp_path)
    table = docs["methods"].methods_table(two, stored([tmp_path]))
    rows = {
        line.split("`")[1].partition(":")[0]: line for line in table.splitlines() if "`" in line
    }
    told = "(../papers/fasternet.md): 2.5 times, reproduced |"
    assert rows["drop_block"].endswith(f"[drop-block]{told}")
    assert rows["gradinit"].endswith(f"[made-up]{told}")
    assert rows["drop_connect"].endswith("|  |")


def test_every_rule_of_the_ledger_has_words(docs: dict[str, ModuleType]) -> None:
    words = docs["ledger_words"].rule_in_words
    for claim in claims().values():
        assert "`" not in words(claim.rule.__qualname__), claim.id
    assert words("about(0.2, reproduced=0.5, partly=1.0)").endswith("0.2, partly at most 1")


def test_the_table_of_peers(
    docs: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs["results"], "RESULTS", tmp_path)
    assert docs["results"].peers_table() == ""
    words = {"net": "a", "engine": "eager", "precision": "float32", "layout": "nchw"}
    rows = [
        {**words, "implementation": "fleetfoot", "latency_ms_p50": 1.234},
        {**words, "implementation": "timm", "latency_ms_p50": None},
    ]
    anchors = [{"anchor": "gemm_2048", "latency_ms_p50": ms} for ms in (98.0, 99.0, None)]
    apart = {"difference_ms": -0.5, "low_ms": -0.6, "high_ms": 0.1, "share": -0.25}
    figures = {
        **{"threads": 1, "batch": 1, "rows": rows, "anchors": anchors},
        "differences": [{**words, **apart}],
    }
    _write(tmp_path, "peers", figures)
    assert docs["results"].peers_table().splitlines()[2:] == [
        "| a | fleetfoot | 1.23 |",
        "| a | timm |  |",
    ]
    assert "gemm_2048 98.0 to 99.0 ms" in docs["results"].peers_line()
    page = docs["measurements"].measurements_page({})
    assert "| a | eager float32 nchw | -0.50 | -0.60 to +0.10 | -25.0 % |" in page


def test_the_page_of_measurements(
    docs: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs["results"], "RESULTS", tmp_path)
    assert docs["measurements"].measurement_pictures() == {}
    assert docs["measurements"].measurements_page({}) == ""
    cell = {
        **{"net": "a", "engine": "eager", "precision": "float32", "layout": "nchw", "threads": 1},
        **{"batch": 1, "size": 8, "latency_ms_p50": 2.0, "macs": 10**9},
    }
    memory = [{"net": "a", "live_bytes": [4], "names": ["x"], "arena_bytes": 4}]
    report = build_measure_report({"device": {}, "cells": [cell]}, memory=memory)
    _write(tmp_path, "measure_nets", {"wall_seconds": 61.0, "report": report})
    peak = {"net": "b", "batch": 1, "peak_live_bytes": 2 * 10**6, "least_peak_bytes": None}
    unknown = {"arena_bytes": 3 * 10**6, "measured": {"call_bytes": None}, "difference": None}
    _write(tmp_path, "peak_memory", {"rows": [peak | unknown]})
    pictures = docs["measurements"].measurement_pictures()
    assert "measure-latency.svg" in pictures
    page = docs["measurements"].measurements_page(pictures)
    assert "1 of 1 combinations of 1 networks" in page
    assert "../images/measure-latency.svg" in page
    assert "| b | 1 | 2.0 | unknown | 3.0 |" in page  # unknown is said, never 0
    assert "Noise" not in page


def test_every_place_of_the_results_is_told(
    docs: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs["results"], "RESULTS", tmp_path)
    assert docs["results"].machine_line() == ""
    for name, torch in (("a", "9.8"), ("b", "9.9"), ("c", "9.9")):
        machine = {"cpu": "a cpu", "cores": 2, "python": "3.11", "accelerator": None}
        result = {"machine": machine, "versions": {"torch": torch}}
        (tmp_path / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")
    place = "2 cores (a cpu), Python 3.11, torch"
    assert (
        docs["results"]
        .machine_line()
        .startswith(f"Measured on {place} 9.9; a on {place} 9.8; `just")
    )


def test_the_rows_of_benchmarks(
    docs: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs["results"], "RESULTS", tmp_path)
    shares = [{"share": -0.25, "high_ms": -0.1}, {"share": 0.04, "high_ms": 0.2}]
    _write(tmp_path, "peers", {"differences": shares})
    must = {"net": "a", "form": "f", "low": 4.0, "high": 6.5, "holds": True}
    _write(
        tmp_path,
        "yardsticks",
        {"within_a_fifth": 1, "rows": [{}, {}], "must": {**must, "times_as_fast": {"ours": 5.0}}},
    )
    sizes = {"batch": 1, "peak_live_bytes": 2 * 10**6, "measured": {"call_bytes": None}}
    _write(tmp_path, "peak_memory", {"rows": [{"net": "a", **sizes}, {"net": "b", "batch": 8}]})
    table = docs["results"].results_table()
    assert "ours -25 to +4 % of timm's time; faster in 1 of 2 forms" in table
    assert "1 of 2 within a fifth; a, f: 5.00 (ours) (to lie in 4 to 6.5: it does)" in table
    assert "| a 2.0 and unknown MB |" in table


def _write(folder: Path, name: str, figures: Json) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"figures": figures}), encoding="utf-8")


def test_the_committed_pages_are_those_of_the_committed_results(
    docs: dict[str, ModuleType],
) -> None:
    pages = docs["generate"].pages()
    stale = [name for name, text in pages.items() if not _same(DOCS / name, text)]
    assert not stale, f"run `just docs`: {stale}"


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def test_examples_in_the_makers_of_the_docs(docs: dict[str, ModuleType]) -> None:
    for module in docs.values():
        assert doctest.testmod(module).failed == 0
