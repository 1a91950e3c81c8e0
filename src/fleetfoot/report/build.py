"""From the files of a run to `report.json`: one object that holds every figure of the page."""

from typing import Any

import fleetfoot
from fleetfoot.core.results import to_json
from fleetfoot.report import accuracy, latency
from fleetfoot.report.checks import audit_checks
from fleetfoot.report.curves import curves
from fleetfoot.report.run_files import Json, RunFiles

SCHEMA = "fleetfoot.report/1"

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
    *("schema", "format", "choice", "device", "device_profile", "input", "input_pipeline"),
    *("recipe", "weights", "initial_weights", "budget", "budget_ms", "budget_met", "net", "data"),
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
        "choice": _choice(run),
        "evaluation": splits,
        "curves": curves(files.metrics),
        "latency": rows,
        "parity": latency.chosen_parity(bundle),
        "reference": bundle.get("reference"),
        "data": _data(files),
        "input": _first(run, "input", "input_pipeline") or files.plan.get("input"),
        "device": _first(run, "device", "device_profile") or bundle.get("device"),
        "preprocess": _without(files.preprocess, "schema") or None,
        "recipe": _first(files.plan, "recipe") or _first(files.config, "recipe"),
        "head": _without(files.head, "schema") or None,
        "settings": _without(files.config, "recipe") or None,
        "plan": _without(files.plan, "schema", "recipe", "input") or None,
        "licences": _licences(files),
        "provenance": _provenance(run),
        "missing": _missing(files, splits, rows),
    }
    return to_json(_clean(report), schema=SCHEMA)


def _headline(files: RunFiles, splits: Json) -> Json:
    run, bundle = files.run, files.bundle
    chosen = bundle.get("chosen") or {}
    split = next(iter(splits), None)
    figures = splits[split] if split else {}
    time, eager = chosen.get("latency_ms_p50"), latency.eager_ms(bundle)
    limit, met = _budget(run, bundle)
    return {
        "net": bundle.get("net") or run.get("net") or files.plan.get("net"),
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
        "budget_ms": limit,
        "budget_met": met,
    }


def _budget(run: Json, bundle: Json) -> tuple[Any, Any]:
    """Return the limit in ms and whether it was met; None for "no budget" and "not known"."""
    records = [r for r in (bundle.get("budget"), run.get("budget"), run) if isinstance(r, dict)]
    limit = met = None
    for record in records:
        limit = limit if limit is not None else _first(record, "budget_ms", "limit_ms")
        met = met if met is not None else _first(record, "budget_met", "met")
    return limit, met


def _choice(run: Json) -> Json | None:
    choice = run.get("choice")
    if not isinstance(choice, dict):
        return None
    names = ("net", "size", "pretrained", "recipe", "reason", "budget_ms", "seconds")
    return {name: choice.get(name) for name in names} | {
        "candidates": [c for c in choice.get("candidates") or () if isinstance(c, dict)]
    }


def _data(files: RunFiles) -> Json | None:
    """Return what data.json says, without the manifest: that stays in its file."""
    data = files.data
    if not data:
        return None
    audit = data.get("audit")
    return {
        "spec": data.get("spec"),
        "name": data.get("name"),
        "classes": data.get("classes") or [],
        "held_out": data.get("held_out"),
        "notes": data.get("notes") or [],
        "splits": _split_sizes(data.get("splits")),
        "audit": _without(audit, "schema") if isinstance(audit, dict) else None,
        "checks": audit_checks(audit) if isinstance(audit, dict) else [],
    }


def _split_sizes(splits: Any) -> Json:
    """Return images and class counts per split, from records or from manifests."""
    found: Json = {}
    for name, split in splits.items() if isinstance(splits, dict) else ():
        if isinstance(split, dict):
            manifest = split.get("samples") or ()
            images = split.get("images", len(manifest) or None)
            found[name] = {"images": images, "class_counts": split.get("class_counts")}
        elif isinstance(split, (list, tuple)):
            found[name] = {"images": len(split), "class_counts": None}
        elif isinstance(split, int):
            found[name] = {"images": split, "class_counts": None}
    return found


def _licences(files: RunFiles) -> list[Json]:
    """Return one line per thing with a licence; None where nobody said which."""
    weights = _first(files.run, "weights", "initial_weights") or files.bundle.get("weights") or {}
    data = files.data
    source = weights.get("source") if isinstance(weights, dict) else weights
    licence = _first(weights, "licence", "license") if isinstance(weights, dict) else None
    lines: list[Json] = [
        {"what": "Fleetfoot", "source": f"version {fleetfoot.__version__}", "licence": "Apache-2.0"}
    ]
    if source in (None, "none", "random"):
        lines.append(
            {
                "what": "initial weights",
                "source": "random: trained from scratch" if source else None,
                "licence": "none needed" if source else None,
            }
        )
    else:
        lines.append({"what": "initial weights", "source": source, "licence": licence})
    where = data.get("spec") or files.run.get("data")
    lines.append(
        {"what": "training data", "source": where, "licence": _first(data, "licence", "license")}
    )
    lines.append(
        {"what": "trained weights", "source": "this run", "licence": "yours, as far as those allow"}
    )
    return lines


def _provenance(run: Json) -> Json | None:
    provenance = _without(run, *SHOWN_ELSEWHERE)
    command = provenance.get("command")
    if isinstance(command, list):
        provenance["command"] = " ".join(str(word) for word in command)
    return provenance or None


def _missing(files: RunFiles, splits: Json, rows: list[Json]) -> list[Json]:
    lines = [
        {"part": PARTS.get(part, part), "reason": reason} for part, reason in files.missing.items()
    ]
    if "evaluation" not in files.missing and not splits:
        lines.append({"part": PARTS["evaluation"], "reason": "evaluation.json has no split"})
    if "bundle" not in files.missing and not rows:
        lines.append({"part": "latency", "reason": "bundle.json has no measured form"})
    if rows and latency.eager_ms(files.bundle) is None:
        lines.append({"part": "speed-up", "reason": "the eager form was not measured"})
    return lines


def _first(record: Any, *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


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
