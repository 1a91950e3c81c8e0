"""Measured against published: one line per figure, the ratio of the two on a logarithmic axis."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from fleetfoot.report.axes import svg
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
        words: both figures in words, at the end of the line.
        title: everything in words.
        low: lower end of the interval of ``value``.
        high: its upper end.
    """

    name: str
    value: float
    css: str
    words: str
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

    parts = [f'<text class="axis" x="{NAME}" y="16">{escape(axis.label)}</text>']
    for tick in axis.ticks():
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" y1="{TOP - 8}" x2="{x(tick):.1f}" '
            f'y2="{bottom}"/><text class="tick" x="{x(tick):.1f}" y="{bottom + 18}" '
            f'text-anchor="middle">{axis.text(tick)}</text>'
        )
    parts.append(
        f'<line class="limit" x1="{x(1):.1f}" y1="{TOP - 8}" x2="{x(1):.1f}" y2="{bottom}"/>'
    )
    for index, ratio in enumerate(ratios):
        parts.append(_line(ratio, TOP + ROW * index + ROW / 2, x))
    parts.append(_legend(legend, height))
    return svg(parts, title=title, width=WIDTH, height=height)


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
        f"<g><title>{escape(ratio.title)}</title>"
        f'<text class="name" x="{NAME - 12}" y="{y + 4:.1f}" text-anchor="end">'
        f"{escape(ratio.name)}</text>"
        f'<text class="axis" x="{WIDTH - TEXT + 14}" y="{y + 4:.1f}">{escape(ratio.words)}</text>'
    ]
    if ratio.low is not None and ratio.high is not None and ratio.low > 0:
        parts.append(
            f'<line class="whisker" x1="{x(ratio.low):.1f}" y1="{y:.1f}" '
            f'x2="{x(ratio.high):.1f}" y2="{y:.1f}"/>'
        )
    if ratio.control is not None and ratio.control > 0 and math.isfinite(ratio.control):
        parts.append(f'<circle class="hollow" cx="{x(ratio.control):.1f}" cy="{y:.1f}" r="4.5"/>')
    parts.append(f'<circle class="dot {ratio.css}" cx="{x(ratio.value):.1f}" cy="{y:.1f}" r="6"/>')
    return "".join(parts) + "</g>"


def _legend(entries: Sequence[tuple[str, str]], height: float) -> str:
    parts: list[str] = []
    x, y = float(NAME), height - 8
    for css, words in entries:
        kind = css if css == "hollow" else f"dot {css}"
        parts.append(
            f'<circle class="{kind}" cx="{x + 4:g}" cy="{y - 4:g}" r="4.5"/>'
            f'<text class="axis" x="{x + 14:g}" y="{y:g}">{escape(words)}</text>'
        )
        x += 30 + 6.4 * len(words)
    return "".join(parts)
