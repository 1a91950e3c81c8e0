"""A drawing and its marks as SVG text: lines, circles, texts, a legend. Texts are escaped.

Units    pixels of the drawing; a whole number is written as it is, others to a tenth
"""

from collections.abc import Iterable, Sequence
from html import escape

WIDTH, HEIGHT = 480, 300  # of a drawing, unless it says otherwise


def svg(parts: Sequence[str], *, title: str, height: float = HEIGHT, width: float = WIDTH) -> str:
    """Return the picture; its colours come from the classes of the page's style sheet."""
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def line(css: str, x1: float, y1: float, x2: float, y2: float, *, title: str = "") -> str:
    """Return a line; ``css`` is its class in the style sheet."""
    return _mark("line", css, title, x1=x1, y1=y1, x2=x2, y2=y2)


def circle(css: str, x: float, y: float, r: float, *, title: str = "") -> str:
    """Return a circle around (x, y)."""
    return _mark("circle", css, title, cx=x, cy=y, r=r)


def rect(
    css: str,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    title: str = "",
    **more: float | str,
) -> str:
    """Return a rectangle from its upper left corner; ``more`` are further attributes."""
    return _mark("rect", css, title, x=x, y=y, width=width, height=height, **more)


def text(css: str, x: float, y: float, content: str, *, anchor: str = "") -> str:
    """Return a text that begins at (x, y), or has its ``anchor``, "middle" or "end", there."""
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    place = f'x="{_pixels(x)}" y="{_pixels(y)}"'
    return f'<text class="{css}" {place}{anchored}>{escape(content)}</text>'


def polyline(css: str, points: Iterable[tuple[float, float]]) -> str:
    """Return a line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line {css}" points="{path}"/>'


def legend(entries: Iterable[tuple[str, str]], x: float, y: float, *, r: float = 4) -> str:
    """Return the meanings of colours, (css, text), side by side from (x, y) on."""
    parts: list[str] = []
    for css, content in entries:
        parts.append(circle(css if css == "hollow" else f"dot {css}", x + 4, y - 4, r))
        parts.append(text("axis", x + 2 * r + 5, y, content))
        x += 30 + 6.4 * len(content)
    return "".join(parts)


def _mark(tag: str, css: str, title: str, **places: float | str) -> str:
    written = " ".join(
        f'{name.replace("_", "-")}="{_pixels(value)}"' for name, value in places.items()
    )
    opening = f'<{tag} class="{css}" {written}'
    return f"{opening}><title>{escape(title)}</title></{tag}>" if title else f"{opening}/>"


def _pixels(value: float | str) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
