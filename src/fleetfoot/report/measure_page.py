"""`measure.json` and `measure.html`: what `fleetfoot measure` found, as tables and pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fleetfoot
from fleetfoot.core.files import write_json, write_text
from fleetfoot.core.results import Json, to_json
from fleetfoot.report.measure_pictures import measure_pictures
from fleetfoot.report.page import render

SCHEMA = "fleetfoot.measure-report/1"
COUNTS = (
    *("params", "macs", "elementwise_ops", "activations", "bytes_moved", "bytes_moved_fused"),
    *("peak_live_bytes", "arena_bytes", "least_peak_bytes"),
)


def build_measure_report(
    measured: Json,
    *,
    layers: Sequence[Mapping[str, Any]] = (),
    memory: Sequence[Mapping[str, Any]] = (),
    accuracy: Mapping[str, Mapping[str, Any]] | None = None,
) -> Json:
    """Return the report as plain JSON values.

    Args:
        measured: what ``fleetfoot measure --json`` prints.
        layers: one object per network timed layer by layer: ``net``, ``precision``, ``ceilings``,
            ``points``, ``mem_access`` of all its convolutions, and ``reason`` where there are none.
        memory: one object per network: ``net``, ``live_bytes`` in the order of execution,
            ``names`` of the operators, ``arena_bytes``.
        accuracy: by network, ``top1`` (a fraction), ``source`` (who measured it, on what), and the
            ``size`` and ``precision`` it is known for.
    """
    cells = [cell for cell in measured.get("cells") or () if isinstance(cell, dict)]
    report: Json = {
        "fleetfoot": fleetfoot.__version__,
        "headline": _headline(cells),
        "measure": measured,
        "counts": _counts(cells),
        "accuracy": accuracy or {},
        "layers": list(layers),
        "memory": list(memory),
    }
    return to_json(report, schema=SCHEMA)


def write_measure_page(report: Json, folder: Path) -> None:
    """Write both files into ``folder``, replacing older ones.

    Raises:
        MissingError: Jinja2 is not installed.
    """
    page = render(report, template="measure.html.j2", charts=measure_pictures(report))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "measure.json", report)
    write_text(folder / "measure.html", page)


def _headline(cells: Sequence[Json]) -> Json:
    timed = [cell for cell in cells if cell.get("latency_ms_p50") is not None]
    best = min(timed, key=lambda cell: cell["latency_ms_p50"] / cell["batch"], default={})
    names = ("net", "engine", "precision", "layout", "threads", "batch", "size", "latency_ms_p50")
    return {
        "nets": len({cell.get("net") for cell in cells}),
        "cells": len(cells),
        "timed": len(timed),
        "fastest": {name: best.get(name) for name in names} if best else None,
    }


def _counts(cells: Sequence[Json]) -> list[Json]:
    """Return the counts once per network, size and batch, of float32 where that was measured."""
    found: dict[tuple[Any, ...], Json] = {}
    for cell in sorted(cells, key=lambda cell: cell.get("precision") != "float32"):
        words = {name: cell.get(name) for name in ("net", "size", "batch", "precision")}
        key = (words["net"], words["size"], words["batch"])
        found.setdefault(key, words | {name: cell.get(name) for name in COUNTS})
    return list(found.values())
