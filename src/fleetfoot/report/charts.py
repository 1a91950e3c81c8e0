"""Charts as SVG text: lines, times as bars, a reliability diagram.

Colours are classes that the page's style sheet gives, so that a chart follows dark mode and print
(docs/decisions/0006). Text is escaped; every mark has a title with its figures.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from fleetfoot.report import marks
from fleetfoot.report.axes import HEIGHT, LEFT, WIDTH, Scale, frame, svg, ticks
from fleetfoot.report.figures import shown


@dataclass(frozen=True)
class Line:
    """A named series of points in data units; ``css`` is its colour class, "c1" to "c4"."""

    name: str
    points: Sequence[tuple[float, float]]
    css: str
    marks: bool = False


@dataclass(frozen=True)
class Bar:
    """A measured time: the bar ends at ``value``, the whisker at ``high``."""

    name: str
    value: float
    high: float | None
    css: str
    title: str


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_kind: str = "number",
    y_limits: tuple[float, float] | None = None,
) -> str:
    """Return a line chart; an empty string where no line has a point."""
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    scale = Scale.over(xs, ys, y_limits)
    parts = [frame(scale, x_label=x_label, y_kind=y_kind)]
    for line in lines:
        if len(line.points) > 1:
            path = [(scale.x(x), scale.y(y)) for x, y in line.points]
            parts.append(marks.polyline(line.css, path))
        if line.marks or len(line.points) == 1:
            for x, y in line.points:
                tip = f"{line.name} at {x:g}: {shown(y, y_kind)}"
                parts.append(marks.circle(f"dot {line.css}", scale.x(x), scale.y(y), 3, title=tip))
    parts.append(_legend(lines))
    return svg(parts, title=title)


def bar_chart(bars: Sequence[Bar], *, title: str, limit: float | None = None) -> str:
    """Return horizontal bars of milliseconds, with a dashed line at ``limit`` if there is one."""
    if not bars:
        return ""
    row, left = 26, 172
    height = row * len(bars) + 40
    longest = max([bar.high or bar.value for bar in bars] + ([limit] if limit else []))
    right = WIDTH - 62

    def x(value: float) -> float:
        return left + (right - left) * value / longest

    parts: list[str] = []
    for tick in ticks(0, longest, count=4):
        parts.append(marks.line("grid", x(tick), 6, x(tick), height - 30))
        parts.append(marks.text("tick", x(tick), height - 14, f"{tick:g}", anchor="middle"))
    for index, bar in enumerate(bars):
        parts.append(_bar(bar, y=8 + index * row, left=left, x=x))
    if limit:
        tip = f"budget {limit:g} ms"
        parts.append(marks.line("limit", x(limit), 4, x(limit), height - 30, title=tip))
    parts.append(marks.text("tick", WIDTH - 4, height - 14, "ms", anchor="end"))
    return svg(parts, title=title, height=height)


def reliability(bins: Iterable[dict[str, float | None]], *, title: str) -> str:
    """Return accuracy over confidence: bars below the diagonal are overconfident."""
    full = [b for b in bins if b.get("images")]
    if not full:
        return ""
    scale = Scale(0.0, 1.0, 0.0, 1.0)
    parts = [frame(scale, x_label="confidence", y_kind="percent", x_percent=True)]
    most = max(b["images"] or 0 for b in full)
    for b in full:
        low, high, accuracy = b["low"] or 0.0, b["high"] or 1.0, b["accuracy"] or 0.0
        strength = 0.3 + 0.7 * (b["images"] or 0) / most
        tip = (
            f"confidence {shown(b['confidence'], 'percent')}, accuracy "
            f"{shown(accuracy, 'percent')}, {b['images']:g} images"
        )
        left, top = scale.x(low) + 1, scale.y(accuracy)
        width, height = scale.x(high) - 1 - left, max(1.0, scale.y(0) - top)
        bar = marks.rect(
            "bar c1", left, top, width, height, title=tip, fill_opacity=f"{strength:.2f}"
        )
        parts.append(bar)
    parts.append(marks.line("limit", scale.x(0), scale.y(0), scale.x(1), scale.y(1)))
    return svg(parts, title=title)


def _legend(lines: Sequence[Line]) -> str:
    parts: list[str] = []
    x = LEFT
    for line in lines:
        parts.append(marks.rect(f"bar {line.css}", x, HEIGHT - 12, 10, 4, rx=2))
        parts.append(marks.text("axis", x + 14, HEIGHT - 4, line.name))
        x += 26 + 7 * len(line.name)
    return "".join(parts)


def _bar(bar: Bar, *, y: float, left: float, x: Callable[[float], float]) -> str:
    end = x(bar.value)
    whisker = ""
    if bar.high is not None and bar.high > bar.value:
        high = x(bar.high)
        whisker = marks.line("whisker", end, y + 8, high, y + 8)
        whisker += marks.line("whisker", high, y + 4, high, y + 12)
    after = max(end, x(bar.high) if bar.high else end) + 6
    return (
        f"<g><title>{escape(bar.title)}</title>"
        f"{marks.text('name', left - 8, y + 12, bar.name, anchor='end')}"
        f"{marks.rect(f'bar {bar.css}', left, y, max(1.0, end - left), 16, rx=3)}{whisker}"
        f"{marks.text('value', after, y + 12, shown(bar.value, 'ms'))}</g>"
    )
