"""Which charts the page has, drawn from the figures of the report."""

from typing import Any

from fleetfoot.core.results import Json
from fleetfoot.report.charts import Bar, Line, bar_chart, line_chart, reliability
from fleetfoot.report.figures import shown
from fleetfoot.report.matrix import SMALL, matrix

BARS = 24


def pictures(report: Json) -> dict[str, str]:
    """Return SVG by name: loss, accuracy, lr, latency, and per split confusion and calibration.

    A chart without data is an empty string, and so is a confusion that the page has as a table.
    """
    found = {
        "loss": _loss(report["curves"]),
        "accuracy": _accuracy(report["curves"]),
        "lr": _learning_rate(report["curves"]),
        "latency": _latency(report),
    }
    for name, split in report["evaluation"].items():
        counts, classes = split["confusion"] or [], split["classes"] or []
        drawn = counts if len(counts) > SMALL else []
        found[f"confusion-{name}"] = matrix(drawn, classes, title=f"confusion, {name} images")
        bins = (split["calibration"] or {}).get("bins") or []
        found[f"calibration-{name}"] = reliability(bins, title=f"reliability, {name} images")
    return found


def _points(lines: list[Json], field: str) -> list[tuple[float, float]]:
    return [
        (line["step"], line[field])
        for line in lines
        if line.get("step") is not None and line.get(field) is not None
    ]


def _loss(curves: Json) -> str:
    lines = [
        Line("training", _points(curves["steps"], "loss"), "c1"),
        Line("validation", _points(curves["epochs"], "val_loss"), "c2", marks=True),
    ]
    return _from_zero(lines, "loss")


def _accuracy(curves: Json) -> str:
    lines = [
        Line("training", _points(curves["steps"], "accuracy"), "c1"),
        Line("validation", _points(curves["epochs"], "val_top1"), "c2", marks=True),
        Line("averaged weights", _points(curves["epochs"], "val_top1_ema"), "c3", marks=True),
    ]
    return _over_steps(lines, "accuracy", percent=True, y_limits=(0.0, 1.0))


def _learning_rate(curves: Json) -> str:
    line = Line("learning rate", _points(curves["steps"], "lr"), "c4")
    return _from_zero([line], "learning rate")


def _from_zero(lines: list[Line], what: str) -> str:
    highest = max((y for line in lines for _, y in line.points), default=1.0)
    return _over_steps(lines, what, y_limits=(0.0, highest))


def _over_steps(lines: list[Line], what: str, **words: Any) -> str:
    return line_chart(lines, title=f"{what} over steps", x_label="step", y_label=what, **words)


def _latency(report: Json) -> str:
    rows = [row for row in report["latency"] if row["latency_ms_p50"] is not None][:BARS]
    bars = [
        Bar(
            name=_form(row),
            value=row["latency_ms_p50"],
            high=row["latency_ms_p90"],
            css=_bar_colour(row),
            title=f"{_form(row)}: p50 {shown(row['latency_ms_p50'], 'ms')}, "
            f"p90 {shown(row['latency_ms_p90'], 'ms')}, p99 {shown(row['latency_ms_p99'], 'ms')}",
        )
        for row in rows
    ]
    limit = report["headline"]["budget_ms"]
    # A budget far beyond every bar would squeeze them all into a corner.
    near = limit if limit and bars and limit <= 2 * max(b.value for b in bars) else None
    return bar_chart(bars, title="latency of every engine and precision", limit=near)


def _form(row: Json) -> str:
    return " ".join(str(row[name]) for name in ("engine", "precision", "layout") if row[name])


def _bar_colour(row: Json) -> str:
    if row["chosen"]:
        return "good"
    return "dim" if row["kind"] == "baseline" else "c1"
