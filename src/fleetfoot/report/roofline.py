"""The roofline: what a layer reaches over how much it computes per byte, under the ceilings.

Records   `Ceilings` of `fleetfoot.measure.roofline` and `LayerPoint` of `fleetfoot.measure.layers`,
          as plain JSON objects
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleetfoot.report.figures import shown
from fleetfoot.report.plane import Axis
from fleetfoot.report.scatter import Curve, Dot, scatter

Json = Mapping[str, Any]

COLOURS = {"conv": "c1", "linear": "c2", "pool": "c3", "norm": "c4"}
LEVELS = ("L2", "L3", "memory")


def roofline(
    layers: Sequence[Json], ceilings: Json, *, title: str, precision: str = "float32"
) -> str:
    """Return the chart; an empty string without layers or without ceilings for the precision.

    Args:
        layers: objects with path, kind, ms, gflops, intensity, roof_fraction; the area of a dot is
            its share of the time.
        ceilings: object with ``gflops`` by precision and ``gb_per_s`` by level.
        title: of the chart.
        precision: whose compute ceiling is drawn.
    """
    points = [p for p in layers if _positive(p, "gflops") and _positive(p, "intensity")]
    peak = (ceilings.get("gflops") or {}).get(precision)
    bandwidths = {
        level: speed
        for level in LEVELS
        if (speed := (ceilings.get("gb_per_s") or {}).get(level)) is not None
    }
    if not points or not peak or not bandwidths:
        return ""
    ridges = [peak / speed for speed in bandwidths.values()]
    x_axis = Axis.over(
        [*(p["intensity"] for p in points), 2 * max(ridges)], "FLOPs per byte moved", log=True
    )
    y_axis = Axis.over([*(p["gflops"] for p in points), peak], "GFLOP/s", log=True)
    return scatter(
        list(_dots(points)),
        x_axis,
        y_axis,
        title=title,
        curves=list(_roofs(peak, bandwidths, x_axis, y_axis, precision)),
        legend=[(css, kind) for kind, css in _colours(points).items()],
    )


def _positive(point: Json, name: str) -> bool:
    value = point.get(name)
    return isinstance(value, (int, float)) and value > 0


def _colours(points: Sequence[Json]) -> dict[str, str]:
    kinds = dict.fromkeys(str(p["kind"]) for p in points)
    return {kind: COLOURS.get(kind, "dim") for kind in kinds}


def _dots(points: Sequence[Json]) -> Iterator[Dot]:
    total, colours = sum(p["ms"] for p in points), _colours(points)
    for point in sorted(points, key=lambda p: -p["ms"]):  # small ones are drawn last, on top
        share = point["ms"] / total if total else 0.0
        fraction = shown(point.get("roof_fraction"), "percent")
        yield Dot(
            x=point["intensity"],
            y=point["gflops"],
            css=colours[str(point["kind"])],
            radius=max(2.5, 40 * math.sqrt(share / math.pi)),
            title=f"{point['path']} ({point['kind']}): {shown(point['gflops'], 'number')} GFLOP/s, "
            f"{shown(point['ms'], 'ms')}, {shown(share, 'percent')} of the time, "
            f"{fraction} of the roof",
        )


def _roofs(
    peak: float, bandwidths: Mapping[str, float], x_axis: Axis, y_axis: Axis, precision: str
) -> Iterator[Curve]:
    """Yield the slope of each level up to the compute ceiling, and the ceiling itself."""
    first = min(peak / speed for speed in bandwidths.values())
    yield Curve([(first, peak), (x_axis.high, peak)], "roof", f"{precision} {peak:,.0f} GFLOP/s")
    for level, speed in bandwidths.items():
        start = max(x_axis.low, y_axis.low / speed)
        if start < peak / speed:
            ends = [(start, speed * start), (peak / speed, peak)]
            yield Curve(ends, "roof", f"{level} {speed:,.1f} GB/s", below=level == "memory")
