"""The charts of the page of `fleetfoot measure`, drawn from its figures."""

from collections.abc import Sequence

from fleetfoot.core.results import Json
from fleetfoot.report.figures import shown
from fleetfoot.report.memory import memory_chart
from fleetfoot.report.plane import Axis
from fleetfoot.report.roofline import roofline
from fleetfoot.report.scatter import Curve, Dot, pareto, scatter, stairs

ENGINES = {"eager": "c1", "onnxruntime": "c2", "openvino": "c3", "compile": "c4"}


def measure_pictures(report: Json) -> dict[str, str]:
    """Return SVG by name: latency, accuracy, and per network roofline-NET and memory-NET.

    A chart without data is an empty string.
    """
    cells = [c for c in report["measure"].get("cells") or () if c.get("latency_ms_p50")]
    found = {
        "latency": latency_over_macs(cells),
        "accuracy": accuracy_over_latency(cells, report["accuracy"]),
    }
    for layers in report["layers"]:
        found[f"roofline-{layers['net']}"] = roofline(
            layers["points"],
            layers["ceilings"] or {},
            title=f"roofline of {layers['net']}, a dot for each layer",
            precision=layers["precision"],
        )
    for memory in report["memory"]:
        found[f"memory-{memory['net']}"] = memory_chart(
            memory["live_bytes"],
            title=f"memory of {memory['net']} over its operators",
            names=memory["names"],
            arena=memory["arena_bytes"],
        )
    return found


def latency_over_macs(cells: Sequence[Json]) -> str:
    """Return a dot for each cell that was timed and counted; the fastest of a network is named."""
    counted = [cell for cell in cells if cell.get("macs")]
    if not counted:
        return ""
    places = [(cell["macs"] / 1e9, cell["latency_ms_p50"]) for cell in counted]
    dots = _dots(counted, places, [_title(cell) for cell in counted])
    return scatter(
        dots,
        Axis.over([dot.x for dot in dots], "GMACs per image", log=True),
        Axis.over([dot.y for dot in dots], "latency p50 of a call, ms", log=True),
        title="latency over multiply-accumulates",
        legend=_legend(counted),
    )


def accuracy_over_latency(cells: Sequence[Json], accuracy: Json) -> str:
    """Return a dot for each timed cell whose accuracy is known, and the Pareto front."""
    known = [cell for cell in cells if _is_of(cell, accuracy.get(cell["net"]) or {})]
    if not known:
        return ""
    places = [(cell["latency_ms_p50"], accuracy[cell["net"]]["top1"]) for cell in known]
    titles = [
        f"{_title(cell)}, top-1 {shown(top1, 'percent')} ({accuracy[cell['net']].get('source')})"
        for cell, (_, top1) in zip(known, places)
    ]
    dots = _dots(known, places, titles)
    front = [places[index] for index in pareto(places)]
    return scatter(
        dots,
        Axis.over([dot.x for dot in dots], "latency p50 of a call, ms", log=True),
        Axis.over([dot.y for dot in dots], "top-1", percent=True),
        title="accuracy over latency",
        curves=[Curve(stairs(front), "front")],
        legend=[*_legend(known), ("ink", "front: nothing faster is as accurate")],
    )


def _is_of(cell: Json, accuracy: Json) -> bool:
    """Whether the accuracy of a network is that of this cell: one image, of the same size.

    Of a bundle it is that of the precision which it chose. What was published holds in every
    floating point precision, not in int8, which rounds weights and maps.
    """
    if accuracy.get("top1") is None or cell["batch"] != 1 or cell["size"] != accuracy.get("size"):
        return False
    chosen = accuracy.get("precision")
    return cell["precision"] != "int8" if chosen is None else cell["precision"] == chosen


def _dots(
    cells: Sequence[Json], places: Sequence[tuple[float, float]], titles: Sequence[str]
) -> list[Dot]:
    """Return a dot for each cell; that of the fastest of a network has its name."""
    fastest: dict[str, Json] = {}
    for cell in sorted(cells, key=lambda cell: cell["latency_ms_p50"]):
        fastest.setdefault(cell["net"], cell)
    return [
        Dot(
            x=x,
            y=y,
            css=ENGINES.get(cell["engine"], "dim"),
            title=title,
            label=cell["net"] if cell is fastest[cell["net"]] else "",
        )
        for cell, (x, y), title in zip(cells, places, titles)
    ]


def _legend(cells: Sequence[Json]) -> list[tuple[str, str]]:
    engines = {cell["engine"] for cell in cells}
    return [(css, engine) for engine, css in ENGINES.items() if engine in engines]


def _title(cell: Json) -> str:
    words = " ".join(str(cell[name]) for name in ("engine", "precision", "layout"))
    return (
        f"{cell['net']}, {words}, {cell['threads']} thread{'s' if cell['threads'] > 1 else ''}, "
        f"batch {cell['batch']}: {shown(cell['latency_ms_p50'], 'ms')}"
    )
