"""One row per engine and precision that was tried: figures, parity, kept or why not."""

import math

from fleetfoot.core.results import Json

CELL = (
    "engine",
    "precision",
    "actual_precision",
    "layout",
    "threads",
    "file",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p99",
    "latency_ms_iqr",
    "first_call_ms",
    "samples",
    "top1",
)
PARITY = (
    "images",
    "correct_reference",
    "correct",
    "net_lost",
    "top1_agreement",
    "max_logit_difference",
    "mean_logit_difference",
    "worst_image",
)


def latency_rows(bundle: Json) -> list[Json]:
    """Return candidates and baselines of a bundle, fastest first, those without a time last.

    Each row has `CELL`, ``kind`` ("candidate" or "baseline"), ``chosen``, ``passed`` (the
    gate), ``kept``, ``reason``, ``speedup`` over the eager form, and ``parity`` (`PARITY`, or None
    where not compared). Accuracies stand in one column, so that a form which was compared on other
    images than the chosen one, as bundles before format 3 have, shows none.
    """
    chosen = bundle.get("chosen") or {}
    eager = eager_ms(bundle)
    rows = [_row(cell, "candidate", eager, chosen) for cell in bundle.get("candidates", ())]
    rows += [_row(cell, "baseline", eager, {}) for cell in bundle.get("baselines", ())]
    return sorted(rows, key=_order)


def eager_ms(bundle: Json) -> float | None:
    """Return the p50 of the eager form (float32, as published), the baseline of speed-ups."""
    # The published form is the default layout; with several cells it is listed first.
    return next(
        (
            cell["latency_ms_p50"]
            for cell in bundle.get("baselines", ())
            if (cell["engine"], cell["precision"]) == ("eager", "float32")
        ),
        None,
    )


def _row(cell: Json, kind: str, eager: float | None, chosen: Json) -> Json:
    time, parity = cell["latency_ms_p50"], cell["parity"]
    row: Json = {name: cell[name] for name in CELL}
    if (parity or {}).get("images") != (chosen.get("parity") or {}).get("images"):
        row["top1"] = None
    row["kind"] = kind
    row["chosen"] = _same(cell, chosen)
    # A form may pass the gate and lose to a faster one: it is then passed and not kept.
    row["passed"] = cell["passed"] if kind == "candidate" else None
    row["kept"] = cell["kept"] if kind == "candidate" else None
    row["reason"] = cell["reason"] or None
    row["speedup"] = eager / time if eager and time else None
    row["parity"] = parity and {name: parity[name] for name in PARITY}
    return row


def _same(cell: Json, chosen: Json) -> bool:
    names = ("engine", "precision", "layout", "threads", "file")
    return bool(chosen) and all(cell[name] == chosen[name] for name in names)


def _order(row: Json) -> tuple[float, str, str]:
    time = row["latency_ms_p50"]
    return (math.inf if time is None else time, str(row["engine"]), str(row["precision"]))
