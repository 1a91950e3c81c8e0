import json
import re
from pathlib import Path
from typing import Any

import pytest

from fleetfoot.report.measure_page import build_measure_report, write_measure_page
from fleetfoot.report.page import resolve

Json = dict[str, Any]
WORDS = {"layout": "nchw", "threads": 1, "batch": 1, "size": 8, "form": "eager"}
NO_TIMES = dict.fromkeys(
    (
        *("latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "latency_ms_iqr"),
        *(
            "first_call_ms",
            "cold_start_ms",
            "note",
            "samples",
            "gflops_achieved",
            "roof_fraction",
            "energy_mj",
        ),
    )
)


def cell(net: str, engine: str, precision: str, ms: float | None, **more: Any) -> Json:
    return {
        **{"net": net, "engine": engine, "precision": precision, **WORDS, **NO_TIMES},
        **{"latency_ms_p50": ms, "macs": 2_000_000_000, "params": 7, "energy_source": "no counter"},
        **{"error": None if ms else "its <engine> is missing", **more},
    }


@pytest.fixture
def report() -> Json:
    cells = [
        cell("net_a", "eager", "bfloat16", 4.0),
        cell("net_a", "eager", "float32", 8.0, bytes_moved=4096),
        cell("net_<b>", "openvino", "float32", None),
    ]
    layer = {
        **{"path": "stem", "kind": "conv", "ms": 1.0, "gflops": 5.0},
        **{"intensity": 2.0, "roof_fraction": 0.5, "level": "L2", "macs": 9},
        **{"mem_access": 30, "least_mem_access": 20.0, "mem_access_excess": 1.5},
    }
    ceilings = {"gflops": {"float32": 100.0}, "gb_per_s": {"memory": 5.0}}
    return build_measure_report(
        {
            **{"schema": "fleetfoot.measure/2", "date": "2026-01-02T03:04:05Z"},
            **{"device": {"cpu": "a <cpu>"}, "cells": cells, "notes": ["a <note>"]},
        },
        layers=[
            {"net": "net_a", "precision": "float32", "ceilings": ceilings, "points": [layer],
             "mem_access": {"elements": 40, "least": 20.0, "excess": 2.0}, "reason": None},
            {"net": "net_<b>", "precision": "float32", "ceilings": None, "points": [],
             "mem_access": None, "reason": "its <forward> fails"},
        ],
        memory=[{"net": "net_a", "live_bytes": [8, 4], "names": ["x", "y"], "arena_bytes": 9}],
        accuracy={"net_a": {"top1": 0.75, "source": "published", "size": 8, "precision": None}},
    )  # fmt: skip


def test_both_files_say_the_same(report: Json, tmp_path: Path) -> None:
    write_measure_page(report, tmp_path / "new")
    stored = json.loads((tmp_path / "new" / "measure.json").read_text("utf-8"))
    page = (tmp_path / "new" / "measure.html").read_text("utf-8")
    assert stored == report
    figures = re.findall(r'<data data-key="([^"]+)" value="([^"]+)"', page)
    assert len(figures) > 20
    assert {"/layers/0/points/0/mem_access_excess", "/layers/0/mem_access/excess"} <= {
        key for key, _ in figures
    }
    assert all(resolve(stored, key) == json.loads(value) for key, value in figures)


def test_the_page_escapes_and_loads_nothing(report: Json, tmp_path: Path) -> None:
    write_measure_page(report, tmp_path)
    page = (tmp_path / "measure.html").read_text("utf-8")
    for hostile in ("<b>", "<cpu>", "<engine>", "<forward>", "<note>"):
        assert hostile not in page
    assert "its &lt;forward&gt; fails" in page
    assert not re.search(r'(src|href)="(?!#)', page)


def test_the_headline_and_the_counts(report: Json) -> None:
    assert (report["headline"]["nets"], report["headline"]["timed"]) == (2, 2)
    assert report["headline"]["fastest"]["precision"] == "bfloat16"
    first = report["counts"][0]
    assert (first["net"], first["precision"], first["bytes_moved"]) == ("net_a", "float32", 4096)
    assert len(report["counts"]) == 2


def test_nothing_measured_is_still_a_page(tmp_path: Path) -> None:
    report = build_measure_report({"device": {"cpu": None}, "cells": [], "notes": []})
    write_measure_page(report, tmp_path)
    assert "0 of" not in (tmp_path / "measure.html").read_text("utf-8").split("<main>")[1]
    assert report["headline"]["fastest"] is None
