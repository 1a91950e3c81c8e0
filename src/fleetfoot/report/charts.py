"""Charts as SVG text: lines, times as bars, a reliability diagram.

Colours are classes that the page's style sheet gives, so that a chart follows dark mode and print
(docs/decisions/0006). Text is escaped; every mark has a title with its figures.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from fleetfoot.report import marks
from fleetfoot.report.figures import shown
from fleetfoot.report.plane import Axis, Plane, ticks

LETTER = 6.9  # width of a letter of a name, pixels of the drawing
WHISKER = 1.6  # how far a whisker may reach, as a multiple of the longest bar


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
    y_label: str,
    percent: bool = False,
    y_limits: tuple[float, float] | None = None,
) -> str:
    """Return a line chart; an empty string where no line has a point."""
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    plane = _plane((min(0.0, *xs), max(xs)), y_limits or (min(ys), max(ys)), x_label, y_label,
                   percent=percent)  # fmt: skip
    parts = [plane.frame()]
    for line in lines:
        if len(line.points) > 1:
            parts.append(plane.polyline(line.points, line.css))
        if line.marks or len(line.points) == 1:
            for x, y in line.points:
                tip = f"{line.name} at {x:g}: {shown(y, 'percent' if percent else 'number')}"
                parts.append(marks.circle(f"dot {line.css}", plane.x(x), plane.y(y), 3, title=tip))
    parts.append(plane.legend([(line.css, line.name) for line in lines]))
    return marks.svg(parts, title=title)


def _plane(
    xs: tuple[float, float], ys: tuple[float, float], x_label: str, y_label: str, **kind: bool
) -> Plane:
    """Return the plane of a small chart between these ends; a single value has room beside it."""
    x_ends = xs if xs[1] > xs[0] else (xs[0], xs[0] + 1.0)
    y_ends = ys if ys[1] > ys[0] else (ys[0] - 0.5, ys[1] + 0.5)
    return Plane(
        Axis(label=x_label, low=x_ends[0], high=x_ends[1]),
        Axis(label=y_label, low=y_ends[0], high=y_ends[1], **kind),
        marks.WIDTH,
        marks.HEIGHT,
    )


def bar_chart(bars: Sequence[Bar], *, title: str, limit: float | None = None) -> str:
    """Return horizontal bars of milliseconds, with a dashed line at ``limit`` if there is one.

    A whisker far beyond every bar ends at the edge: it would crush them.
    """
    if not bars:
        return ""
    row, left = 26, 20 + LETTER * max(len(bar.name) for bar in bars)
    height = row * len(bars) + 40
    longest = max([bar.value for bar in bars] + ([limit] if limit else []))
    furthest = max([longest, *(bar.high for bar in bars if bar.high)])
    axis = Axis(label="ms", low=0.0, high=min(furthest, WHISKER * longest))
    right = marks.WIDTH - 62

    def x(value: float) -> float:
        return left + (right - left) * axis.share(value)

    parts: list[str] = []
    for tick in ticks(0, axis.high, count=4):
        parts.append(marks.line("grid", x(tick), 6, x(tick), height - 30))
        parts.append(marks.text("tick", x(tick), height - 14, axis.text(tick), anchor="middle"))
    for index, bar in enumerate(bars):
        parts.append(_bar(bar, y=8 + index * row, left=left, x=x))
    if limit:
        tip = f"budget {limit:g} ms"
        parts.append(marks.line("limit", x(limit), 4, x(limit), height - 30, title=tip))
    parts.append(marks.text("tick", marks.WIDTH - 4, height - 14, axis.label, anchor="end"))
    return marks.svg(parts, title=title, height=height)


def reliability(bins: Iterable[dict[str, float | None]], *, title: str) -> str:
    """Return accuracy over confidence: bars below the diagonal are overconfident."""
    full = [b for b in bins if b.get("images")]
    if not full:
        return ""
    x_axis, y_axis = (
        Axis(label=label, low=0.0, high=1.0, percent=True) for label in ("confidence", "accuracy")
    )
    plane = Plane(x_axis, y_axis, marks.WIDTH, marks.HEIGHT)
    parts = [plane.frame()]
    most = max(b["images"] or 0 for b in full)
    for b in full:
        low, high, accuracy = b["low"] or 0.0, b["high"] or 1.0, b["accuracy"] or 0.0
        strength = 0.3 + 0.7 * (b["images"] or 0) / most
        tip = (
            f"confidence {shown(b['confidence'], 'percent')}, accuracy "
            f"{shown(accuracy, 'percent')}, {b['images']:g} images"
        )
        left, top = plane.x(low) + 1, plane.y(accuracy)
        width, height = plane.x(high) - 1 - left, max(1.0, plane.y(0) - top)
        bar = marks.rect(
            "bar c1", left, top, width, height, title=tip, fill_opacity=f"{strength:.2f}"
        )
        parts.append(bar)
    parts.append(marks.line("limit", plane.x(0), plane.y(0), plane.x(1), plane.y(1)))
    return marks.svg(parts, title=title)


def _bar(bar: Bar, *, y: float, left: float, x: Callable[[float], float]) -> str:
    end, whisker = x(bar.value), ""
    high = end if bar.high is None else max(end, x(bar.high))
    if high > end:
        whisker = marks.line("whisker", end, y + 8, high, y + 8)
        whisker += marks.line("whisker", high, y + 4, high, y + 12)
    return (
        f"<g><title>{escape(bar.title)}</title>"
        f"{marks.text('name', left - 8, y + 12, bar.name, anchor='end')}"
        f"{marks.rect(f'bar {bar.css}', left, y, max(1.0, end - left), 16, rx=3)}{whisker}"
        f"{marks.text('value', high + 6, y + 12, shown(bar.value, 'ms'))}</g>"
    )
