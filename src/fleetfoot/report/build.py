"""From the files of a run to `report.json`: one object that holds every figure of the page."""

import shlex
from typing import Any

import fleetfoot
from fleetfoot.core.results import Json, to_json
from fleetfoot.report import accuracy, latency
from fleetfoot.report.checks import audit_checks
from fleetfoot.report.curves import curves
from fleetfoot.report.run_files import RunFiles
from fleetfoot.report.use import how_to_use

SCHEMA = "fleetfoot.report/2"
BUSY = 1.25  # load average per processor; a run that trained on all of them leaves 1

# What a reader misses when a file is not there; the reason comes from `RunFiles.missing`.
PARTS = {
    "run": "command, versions, device and seed",
    "config": "settings",
    "data": "data audit",
    "plan": "plan",
    "head": "head phase",
    "metrics": "training curves",
    "evaluation": "accuracy, confusion, calibration",
    "bundle": "deployed form, latency, parity",
    "preprocess": "preprocessing",
}
# Fields of run.json with a place of their own in the report.
SHOWN_ELSEWHERE = (
    *("schema", "format", "choice", "device", "initial_weights"),
    *("budget", "budget_ms", "net", "data"),
)


def build_report(files: RunFiles) -> Json:
    """Return the report as plain JSON values; parts without a source are None or empty."""
    splits = accuracy.splits(files.evaluation)
    rows = latency.latency_rows(files.bundle)
    run, bundle = files.run, files.bundle
    report: Json = {
        "fleetfoot": fleetfoot.__version__,
        "run": files.name,
        "headline": _headline(files, splits),
        "use": how_to_use(files),
        "busy": _busy(bundle.get("device") or run.get("device") or {}),
        "choice": run.get("choice"),
        "evaluation": splits,
        "curves": curves(files.metrics),
        "latency": rows,
        "parity": next((row["parity"] for row in rows if row["chosen"]), None),
        "reference": bundle.get("reference"),
        "data": _data(files),
        "input": files.plan.get("input"),
        "device": run.get("device") or bundle.get("device"),
        "preprocess": _without(files.preprocess, "schema") or None,
        "recipe": files.plan.get("recipe") or files.config.get("recipe"),
        "head": _without(files.head, "schema") or None,
        "settings": _without(files.config, "recipe") or None,
        "plan": _without(files.plan, "schema", "recipe", "input") or None,
        "licences": _licences(files),
        "provenance": _provenance(run),
        "missing": _missing(files, rows),
    }
    return to_json(_clean(report), schema=SCHEMA)


def _headline(files: RunFiles, splits: Json) -> Json:
    run, bundle = files.run, files.bundle
    chosen = bundle.get("chosen") or {}
    split = next(iter(splits), None)
    figures = splits[split] if split else {}
    time, eager = chosen.get("latency_ms_p50"), latency.eager_ms(bundle)
    verified = bundle.get("budget") or {}
    return {
        "net": bundle.get("net") or run.get("net"),
        "data": files.data.get("name") or run.get("data"),
        "split": split,
        "role": figures.get("role"),
        **{
            name: figures.get(name)
            for name in ("top1", "top1_low", "top1_high", "top5", "correct", "images")
        },
        **{
            name: chosen.get(name)
            for name in ("engine", "precision", "layout", "threads", "actual_precision")
        },
        "size": files.preprocess.get("size"),
        "latency_ms_p50": time,
        "latency_ms_p90": chosen.get("latency_ms_p90"),
        "deployed_top1": chosen.get("top1"),
        "eager_latency_ms_p50": eager,
        "speedup": eager / time if eager and time else None,
        "budget_ms": verified.get("limit_ms") or run.get("budget_ms"),
        "budget_met": verified.get("met"),
    }


def _busy(device: Json) -> Json | None:
    """Return the load beside which was measured; None where it was no more than our own."""
    load, processors = device.get("load_1min"), device.get("cores_allowed")
    if load is None or processors is None or load <= BUSY * processors:
        return None
    return {"load_1min": load, "cores_allowed": processors}


MANIFEST = ("samples", "pixels_sha256")  # of a split: as long as the data set


def _data(files: RunFiles) -> Json | None:
    """Return what data.json says, without the manifest: that stays in its file."""
    data = files.data
    if not data:
        return None
    splits = data["splits"].items()
    return _without(data, "schema", "sha256", "splits") | {
        "splits": {name: _without(split, *MANIFEST) for name, split in splits},
        "checks": audit_checks(data["audit"]),
    }


def _licences(files: RunFiles) -> list[Json]:
    """Return one line per thing with a licence; None where nobody said which."""
    weights = files.run.get("initial_weights") or files.bundle.get("weights") or {}
    rows = (
        ("Fleetfoot", f"version {fleetfoot.__version__}", "Apache-2.0"),
        ("initial weights", weights.get("source"), weights.get("licence")),
        ("training data", files.data.get("spec") or files.run.get("data"), None),
        ("trained weights", "this run", "yours, as far as those allow"),
    )
    return [dict(zip(("what", "source", "licence"), row)) for row in rows]


def _provenance(run: Json) -> Json | None:
    if not run:
        return None
    return _without(run, *SHOWN_ELSEWHERE) | {"command": shlex.join(run["command"])}


def _missing(files: RunFiles, rows: list[Json]) -> list[Json]:
    lines = [{"part": PARTS[part], "reason": reason} for part, reason in files.missing.items()]
    if rows and latency.eager_ms(files.bundle) is None:
        lines.append({"part": "speed-up", "reason": "the eager form was not measured"})
    return lines


def _without(record: Json, *names: str) -> Json:
    return {name: value for name, value in record.items() if name not in names}


def _clean(value: Any) -> Any:
    """Replace what UTF-8 cannot hold: a file name on disk may be any bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
