"""Measured against published: one line per figure, the ratio of the two on a logarithmic axis."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from fleetfoot.report import marks
from fleetfoot.report.plane import Axis

ROW, TOP, NAME, TEXT = 24, 34, 250, 200
WIDTH = 860
FURTHEST = 100.0  # ratios beyond this, or below its inverse, stop at the edge


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One line.

    Attributes:
        name: of the figure.
        value: measured over published; above 0.
        control: the same of the control; None, or below 0, where there is none to show.
        css: colour class of the verdict.
        text: both figures, at the end of the line.
        title: everything in words.
        low: lower end of the interval of ``value``.
        high: its upper end.
    """

    name: str
    value: float
    css: str
    text: str
    title: str
    control: float | None = None
    low: float | None = None
    high: float | None = None


def ratio_chart(
    ratios: Sequence[Ratio], *, title: str, legend: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the chart; an empty string without lines. A hollow dot is the control."""
    if not ratios:
        return ""
    axis = _axis(ratios)
    height = TOP + ROW * len(ratios) + 62
    bottom = height - 58

    def x(value: float) -> float:
        return NAME + (WIDTH - NAME - TEXT) * axis.share(value)

    parts = [marks.text("axis", NAME, 16, axis.label)]
    for tick in axis.ticks():
        parts.append(marks.line("grid", x(tick), TOP - 8, x(tick), bottom))
        parts.append(marks.text("tick", x(tick), bottom + 18, axis.text(tick), anchor="middle"))
    parts.append(marks.line("limit", x(1), TOP - 8, x(1), bottom))
    for index, ratio in enumerate(ratios):
        parts.append(_line(ratio, TOP + ROW * index + ROW / 2, x))
    parts.append(marks.legend(legend, NAME, height - 8, r=4.5))
    return marks.svg(parts, title=title, width=WIDTH, height=height)


def _axis(ratios: Sequence[Ratio]) -> Axis:
    seen = [1.0, *(r.value for r in ratios), *(r.control for r in ratios if r.control)]
    kept = [min(FURTHEST, max(1 / FURTHEST, value)) for value in seen if value > 0]
    widest = max(2.0, *(max(value, 1 / value) for value in kept))
    low = 1 / widest if min(kept) < 0.8 else max(1 / widest, 0.7)
    return Axis.over(
        [low, widest if max(kept) > 1.25 else min(widest, 1.4)],
        "measured / published",
        log=True,
    )


def _line(ratio: Ratio, y: float, x: Callable[[float], float]) -> str:
    parts = [
        f"<g><title>{escape(ratio.title)}</title>",
        marks.text("name", NAME - 12, y + 4, ratio.name, anchor="end"),
        marks.text("axis", WIDTH - TEXT + 14, y + 4, ratio.text),
    ]
    if ratio.low is not None and ratio.high is not None and ratio.low > 0:
        parts.append(marks.line("whisker", x(ratio.low), y, x(ratio.high), y))
    if ratio.control is not None and ratio.control > 0 and math.isfinite(ratio.control):
        parts.append(marks.circle("hollow", x(ratio.control), y, 4.5))
    parts.append(marks.circle(f"dot {ratio.css}", x(ratio.value), y, 6))
    return "".join(parts) + "</g>"
