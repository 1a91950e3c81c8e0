"""One figure against another, a dot each: latency over MACs, accuracy over latency.

Labels are put where they hide neither a dot nor another label; one that finds no place is left
out, and the title of its dot still has the name.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from fleetfoot.report import marks
from fleetfoot.report.plane import LEFT, TOP, Axis, Plane

LETTER, LINE = 7.2, 12.0  # width and height of a label's letters, in pixels of the drawing

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point in data units; ``css`` is its colour class, ``title`` has its figures in words."""

    x: float
    y: float
    css: str
    title: str
    label: str = ""
    radius: float = 4.5


@dataclass(frozen=True)
class Curve:
    """A line through points in data units, with a label along it, above or ``below``."""

    points: Sequence[tuple[float, float]]
    css: str
    label: str = ""
    below: bool = False


def scatter(
    dots: Sequence[Dot],
    x_axis: Axis,
    y_axis: Axis,
    *,
    title: str,
    curves: Sequence[Curve] = (),
    legend: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the chart; an empty string where there is no dot.

    Args:
        dots: drawn in this order; labels of early ones find a place first.
        x_axis: to the right.
        y_axis: upwards.
        title: of the whole, for those who cannot see it.
        curves: lines below the dots.
        legend: colour class and meaning.
    """
    if not dots:
        return ""
    plane = Plane(x_axis, y_axis)
    parts = [plane.frame()]
    for curve in curves:
        parts.append(plane.polyline(curve.points, curve.css))
        parts.append(_curve_label(plane, curve))
    for dot in dots:
        x, y, r = plane.x(dot.x), plane.y(dot.y), float(dot.radius)
        parts.append(marks.circle(f"dot {dot.css}", x, y, r, title=dot.title))
    parts += _labels(dots, plane, [box for curve in curves for box in _boxes(curve, plane)])
    parts.append(plane.legend(legend))
    return marks.svg(parts, title=title, width=plane.width, height=plane.height)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices, by rising cost, of points that none beats in (cost, gain).

    >>> pareto([(1.0, 0.6), (2.0, 0.5), (3.0, 0.9), (3.0, 0.8)])
    [0, 2]
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def stairs(front: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of the line along a front: a gain holds until a cost buys a larger one.

    >>> stairs([(1.0, 0.6), (3.0, 0.9)])
    [(1.0, 0.6), (3.0, 0.6), (3.0, 0.9)]
    """
    corners = [front[0]]
    for x, y in front[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def _curve_label(plane: Plane, curve: Curve) -> str:
    """Return the label, along a slope from its start, above a level line at its end."""
    if not curve.label:
        return ""
    (x0, y0), (x1, y1) = ((plane.x(x), plane.y(y)) for x, y in (curve.points[0], curve.points[-1]))
    if abs(y1 - y0) < 1:
        x, y, turn, anchor = x1 - 4, y1 - 6, 0.0, "end"
    else:
        x, y, turn, anchor = x0, y0, math.degrees(math.atan2(y1 - y0, x1 - x0)), "start"
    return (
        f'<text class="tick" x="{x:.1f}" y="{y:.1f}" dx="{0 if turn == 0 else 12}" '
        f'dy="{0 if turn == 0 else 14 if curve.below else -5}" text-anchor="{anchor}" '
        f'transform="rotate({turn:.1f} {x:.1f} {y:.1f})">{escape(curve.label)}</text>'
    )


def _boxes(curve: Curve, plane: Plane) -> Iterator[Box]:
    """Yield a thin box for each level or upright piece of a line; a slope hides little."""
    spots = [(plane.x(x), plane.y(y)) for x, y in curve.points]
    for (x0, y0), (x1, y1) in pairwise(spots):
        if min(abs(x1 - x0), abs(y1 - y0)) < 1:
            yield min(x0, x1), min(y0, y1) - 1, max(x0, x1), max(y0, y1) + 1


def _labels(dots: Sequence[Dot], plane: Plane, taken: list[Box]) -> list[str]:
    for dot in dots:
        x, y, r = plane.x(dot.x), plane.y(dot.y), dot.radius
        taken.append((x - r, y - r, x + r, y + r))
    parts: list[str] = []
    for dot in dots:
        place = _place(dot, plane, taken) if dot.label else None
        if place is not None:
            taken.append(place)
            parts.append(marks.text("tick", place[0], place[3] - 3, dot.label))
    return parts


def _place(dot: Dot, plane: Plane, taken: Sequence[Box]) -> Box | None:
    """Return the first free box beside a dot: right, left, above, below, then the corners."""
    wide, gap = LETTER * len(dot.label), dot.radius + 3
    x, y = plane.x(dot.x), plane.y(dot.y)
    middle, above, below = y - LINE / 2, y - gap - LINE + 2, y + gap - 2
    right, left = x + gap, x - gap - wide
    corners = [
        *((right, middle), (left, middle), (x - wide / 2, above), (x - wide / 2, below)),
        *((right, above), (left, above), (right, below), (left, below)),
    ]
    for corner_x, corner_y in corners:
        box = (corner_x, corner_y, corner_x + wide, corner_y + LINE)
        inside = box[0] >= LEFT and box[2] <= plane.width - 2 and box[1] >= TOP - LINE
        if inside and not any(_overlap(box, other) for other in taken):
            return box
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
