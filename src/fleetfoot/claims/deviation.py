"""How far our counts are from those of a paper."""

from collections.abc import Mapping
from typing import Any

from fleetfoot.claims.claim import Measurement


def worst_deviation(paper: Mapping[str, float], ours: Mapping[str, float]) -> Measurement:
    """Return the largest deviation of several networks' counts, in per cent, and a row for each."""
    rows: list[Mapping[str, Any]] = [
        {
            "network": name,
            "paper": published,
            "ours": ours[name],
            "deviation_percent": 100 * abs(ours[name] / published - 1),
        }
        for name, published in paper.items()
    ]
    return Measurement(value=max(row["deviation_percent"] for row in rows), table=tuple(rows))
