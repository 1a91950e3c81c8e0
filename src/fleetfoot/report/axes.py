"""Paper for charts: the SVG element, scales from data to pixels, round ticks, a frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from fleetfoot.report import marks

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 44


def svg(parts: Sequence[str], *, title: str, height: float = HEIGHT, width: float = WIDTH) -> str:
    """Return the picture; its colours come from the classes of the page's style sheet."""
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return about ``count`` round values from ``low`` to ``high``.

    >>> ticks(0, 1), ticks(0.0, 7.3)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 2.0, 4.0, 6.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.99)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """Data units to pixels of a chart of `WIDTH` by `HEIGHT`."""

    left: float
    right: float
    low: float
    high: float

    @classmethod
    def over(
        cls, xs: Sequence[float], ys: Sequence[float], limits: tuple[float, float] | None
    ) -> "Scale":
        low, high = limits or (min(ys), max(ys))
        if not high > low:
            low, high = low - 0.5, high + 0.5
        right = max(xs)
        left = min(0.0, min(xs)) if right > 0 else min(xs)
        return cls(left, right if right > left else left + 1.0, low, high)

    def x(self, value: float) -> float:
        inner = WIDTH - LEFT - RIGHT
        return LEFT + inner * (value - self.left) / (self.right - self.left)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, max(0.0, share))


def frame(scale: Scale, *, x_label: str, y_kind: str, x_percent: bool = False) -> str:
    """Return grid, tick labels and the name of the x axis."""
    parts: list[str] = []
    for tick in ticks(scale.low, scale.high):
        y = scale.y(tick)
        text = f"{100 * tick:g}%" if y_kind == "percent" else f"{tick:g}"
        parts.append(marks.line("grid", LEFT, y, WIDTH - RIGHT, y))
        parts.append(marks.text("tick", LEFT - 8, y + 4, text, anchor="end"))
    for tick in ticks(scale.left, scale.right):
        text = f"{100 * tick:g}%" if x_percent else f"{tick:g}"
        column = scale.x(tick)
        parts.append(marks.text("tick", column, HEIGHT - BOTTOM + 18, text, anchor="middle"))
    parts.append(marks.text("axis", WIDTH - RIGHT, HEIGHT - 4, x_label, anchor="end"))
    return "".join(parts)
