"""A plane with two axes, each linear or logarithmic, for charts of one figure against another."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetfoot.report import marks

LEFT, RIGHT, TOP, BOTTOM = 58, 24, 34, 58
MARGIN = 0.06  # of the span of the data, on both sides


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


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a plane.

    Attributes:
        label: what is shown, with its unit.
        low: value at the lower end; above 0 if ``log``.
        high: value at the upper end, above ``low``.
        log: equal ratios are equal distances.
        percent: ticks are written as per cent.
    """

    label: str
    low: float
    high: float
    log: bool = False
    percent: bool = False

    @classmethod
    def over(
        cls, values: Iterable[float], label: str, *, log: bool = False, percent: bool = False
    ) -> "Axis":
        """Return an axis that shows all of ``values``, with a margin.

        Raises:
            ValueError: no values, or one that a logarithmic axis cannot show.
        """
        seen = list(values)
        if not seen or (log and min(seen) <= 0):
            raise ValueError(f"the axis {label!r} cannot show {seen[:3]}")
        low, high = (math.log10(end) if log else end for end in (min(seen), max(seen)))
        margin = MARGIN * (high - low) or (0.1 if log else 0.1 * abs(high) or 0.5)
        low, high = low - margin, high + margin
        if percent:
            low, high = max(0.0, low), min(1.0, high)
        if log:
            low, high = 10**low, 10**high
        return cls(label=label, low=low, high=high, log=log, percent=percent)

    def share(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1; outside it stops at the end."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def ticks(self) -> list[float]:
        """Return round values between the ends.

        >>> Axis(label="ms", low=0.8, high=30, log=True).ticks()
        [1.0, 2.0, 5.0, 10.0, 20.0]
        """
        decades = math.log10(self.high / self.low) if self.log else 0.0
        if decades < 0.7:
            return ticks(self.low, self.high)
        steps = (1.0,) if decades > 3 else (1.0, 2.0, 5.0)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [float(f"{step * 10.0**power:.3g}") for power in powers for step in steps]
        return [tick for tick in found if self.low <= tick <= self.high]

    def text(self, value: float) -> str:
        """Return how a tick is written."""
        if self.percent:
            return f"{100 * value:g}%"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


@dataclass(frozen=True)
class Plane:
    """Data to pixels: ``x`` to the right, ``y`` upwards."""

    x_axis: Axis
    y_axis: Axis
    width: int = 760
    height: int = 430

    def x(self, value: float) -> float:
        """Return the pixel column of a value."""
        return LEFT + (self.width - LEFT - RIGHT) * self.x_axis.share(value)

    def y(self, value: float) -> float:
        """Return the pixel row of a value."""
        inner = self.height - TOP - BOTTOM
        return self.height - BOTTOM - inner * self.y_axis.share(value)

    def frame(self) -> str:
        """Return grid, tick labels and the names of both axes."""
        bottom, right = self.height - BOTTOM, self.width - RIGHT
        parts = [
            marks.text("axis", 8, 16, self.y_axis.label),
            marks.text("axis", right, bottom + 36, self.x_axis.label, anchor="end"),
        ]
        for tick in self.y_axis.ticks():
            y = self.y(tick)
            parts.append(marks.line("grid", LEFT, y, right, y))
            parts.append(marks.text("tick", LEFT - 8, y + 4, self.y_axis.text(tick), anchor="end"))
        for tick in self.x_axis.ticks():
            x = self.x(tick)
            label = self.x_axis.text(tick)
            parts.append(marks.line("grid", x, TOP, x, bottom))
            parts.append(marks.text("tick", x, bottom + 18, label, anchor="middle"))
        return "".join(parts)

    def polyline(self, points: Sequence[tuple[float, float]], css: str) -> str:
        """Return a line through points in data units."""
        return marks.polyline(css, ((self.x(x), self.y(y)) for x, y in points))

    def legend(self, entries: Sequence[tuple[str, str]]) -> str:
        """Return the meanings of colours, (css, text), below the x axis."""
        return marks.legend(entries, LEFT, self.height - 6)
