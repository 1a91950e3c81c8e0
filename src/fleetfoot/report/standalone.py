"""A chart as an SVG file of its own, for pages that bring no style sheet of ours."""

import re
from functools import cache
from pathlib import Path

STYLE = Path(__file__).parent / "templates" / "chart.css"


def standalone(chart: str) -> str:
    """Return the chart with its colours inside, light or dark as the reader has it.

    Args:
        chart: what a chart function returned; its text is escaped already.

    Raises:
        ValueError: it is no chart, or an empty one.
    """
    head = re.match(r'<svg class="chart" viewBox="0 0 ([\d.]+) ([\d.]+)"', chart)
    if head is None:
        raise ValueError("not a chart: it does not begin with its view box")
    opening, _, rest = chart.partition(">")
    size = f' xmlns="http://www.w3.org/2000/svg" width="{head[1]}" height="{head[2]}"'
    paper = '<rect width="100%" height="100%" rx="10" fill="var(--card)"/>'
    return f"{opening}{size}><style>{_style()}</style>{paper}{rest}\n"


@cache
def _style() -> str:
    # As XML the text of <style> must be escaped; the sheet has no such character, and stays so.
    style = STYLE.read_text(encoding="utf-8")
    if re.search(r"[<&]", style):
        raise ValueError(f"{STYLE.name} has a character that XML reads as a mark")
    return " ".join(style.split())
