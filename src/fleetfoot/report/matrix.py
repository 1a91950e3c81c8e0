"""A confusion matrix as a picture."""

import math
from collections.abc import Sequence
from html import escape

from fleetfoot.report import marks

LABEL_LETTERS = 16
LABELLED = 30  # up to this many classes rows and columns carry names
SMALL = 15  # up to this many a table says more than a picture


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str], *, title: str) -> str:
    """Return the matrix: rows are the truth, a cell is as strong as its share of the row.

    Errors have a colour of their own and twice the strength, so that few of them are seen.
    """
    size = len(counts)
    if size == 0:
        return ""
    labelled = size <= LABELLED
    left, top, right = (112, 96, 52) if labelled else (26, 26, 8)
    cell = min(64.0, (marks.WIDTH - left - right) / size)
    parts = [
        marks.text("axis", left, 12, "predicted \u2192"),
        f'<text class="axis" transform="translate(12 {top}) rotate(90)">truth \u2192</text>',
    ]
    for row, values in enumerate(counts):
        for column, value in enumerate(values):
            if value:  # empty cells are the background; a hundred classes have ten thousand
                x, y = left + column * cell, top + row * cell
                tip = (
                    f"{name(names, row)} taken for {name(names, column)}: {value} of {sum(values)}"
                )
                share = value / sum(values)
                css, strength = "hit" if row == column else "miss", _strength(share, row == column)
                parts.append(
                    marks.rect(css, x, y, cell, cell, title=tip, fill_opacity=f"{strength:.2f}")
                )
    if labelled:
        parts += _labels(names, size, left=left, top=top, cell=cell)
    side = cell * size
    parts.append(marks.rect("frame", left, top, side, side))
    return marks.svg(parts, title=title, height=math.ceil(top + side + 8))


def name(names: Sequence[str], index: int, *, letters: int | None = None) -> str:
    """Return the name of a class, cut to ``letters``; its number where it has no name."""
    text = names[index] if index < len(names) else str(index)
    return text if letters is None or len(text) <= letters else text[: letters - 1] + "\u2026"


def _strength(share: float, hit: bool) -> float:
    return 0.12 + 0.88 * (share if hit else min(1.0, 2 * share))


def _labels(names: Sequence[str], size: int, *, left: float, top: float, cell: float) -> list[str]:
    parts: list[str] = []
    font = max(6.0, min(12.0, cell * 0.62))
    for index in range(size):
        middle = (index + 0.5) * cell
        text = escape(name(names, index, letters=LABEL_LETTERS))
        parts.append(
            f'<text class="tick" style="font-size:{font:.1f}px" x="{left - 6}" '
            f'y="{top + middle + font / 3:.1f}" text-anchor="end">{text}</text>'
            f'<text class="tick" style="font-size:{font:.1f}px" transform="translate('
            f'{left + middle + font / 3:.1f} {top - 6}) rotate(-55)">{text}</text>'
        )
    return parts
