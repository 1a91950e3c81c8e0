"""`fleetfoot measure --out DIR`: what the page needs beyond the cells, and the page itself.

Each network by name is counted for its memory over the schedule and timed layer by layer in
float32, at the first size, batch and thread count that its cells have.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from fleetfoot.core.errors import FleetfootError, require
from fleetfoot.core.listener import Listener
from fleetfoot.core.out_folder import check_out
from fleetfoot.core.results import Json, to_json
from fleetfoot.deploy.bundle import load
from fleetfoot.jobs.measure_plan import torch_is_there
from fleetfoot.jobs.measure_record import SCHEMA, MeasureRecord
from fleetfoot.jobs.runs import bundle_of, resolve
from fleetfoot.measure.latency import Schedule
from fleetfoot.measure.roofline import Ceilings, measure_ceilings

if TYPE_CHECKING:
    from torch import nn

    from fleetfoot.measure.counts import Counts
    from fleetfoot.measure.layers import LayerPoint

PRECISION = "float32"


def check_page(folder: Path) -> None:
    """Refuse what would keep the page from being written, before minutes of timing.

    Raises:
        DataError: ``folder`` is a file or may not be written.
        OSError: its disk is full.
        MissingError: Jinja2 is not installed.
    """
    require("jinja2", extra="train")
    check_out(folder)
    folder.mkdir(parents=True, exist_ok=True)


def write_page(
    record: MeasureRecord,
    folder: Path,
    *,
    listener: Listener,
    device: str = "cpu",
    schedule: Schedule | None = None,
) -> None:
    """Write measure.html and measure.json into ``folder``; older ones are replaced.

    Each layer is timed as long as ``schedule`` says, on the CPU alone.

    Raises:
        MissingError: Jinja2 is not installed.
    """
    from fleetfoot.report.measure_page import build_measure_report, write_measure_page

    measured = to_json(record, schema=SCHEMA)
    first: dict[str, Json] = {}
    for cell in measured["cells"]:
        first.setdefault(cell["net"], cell)
    known = {roof.threads: roof for roof in record.ceilings if PRECISION in roof.gflops}
    layers: list[Json] = []
    memory: list[Json] = []
    for name, cell in first.items():
        found: Json = {"ceilings": None, "points": (), "mem_access": None, "reason": None}
        try:
            net, image, counts = _counted(name, cell["size"], cell["batch"])
            memory.append({"net": name, **_memory(counts)})
            found["mem_access"] = _mem_access(counts)
            if device != "cpu":
                raise FleetfootError("layers are timed on the CPU alone")
            threads = cell["threads"]
            if threads not in known:
                known[threads] = measure_ceilings(threads, (PRECISION,), listener=listener)
            listener.stage(f"timing the layers of {name}")
            points = _points(net, image, cell["batch"], known[threads], schedule)
            found |= {"ceilings": known[threads], "points": points}
        except (FleetfootError, RuntimeError) as error:
            found["reason"] = str(error).partition("\n")[0]
        layers.append({"net": name, "precision": PRECISION, **found})
    accuracy = {name: top1 for name in first if (top1 := known_accuracy(name)) is not None}
    report = build_measure_report(measured, layers=layers, memory=memory, accuracy=accuracy)
    write_measure_page(report, folder)


def known_accuracy(name: str) -> Json | None:
    """Return the accuracy of a bundle, or of a network with published weights; None if unknown.

    `top1`, its `source`, and what it is known for: the `size` of the image, and the `precision` of
    a bundle's chosen form; None of published weights, which were evaluated in floating point.
    """
    if resolve(name).folder is not None:
        bundle = load(bundle_of(name))
        chosen = bundle.record["chosen"]
        top1, size, precision = chosen.get("top1"), bundle.preprocess.size, chosen["precision"]
        source = "measured by the gate of its bundle"
    else:
        if not torch_is_there():
            return None
        from fleetfoot.nets.weights import pretrained

        info = pretrained(name)
        if info is None:
            return None
        top1, size, precision = info.published_top1, info.preprocess.get("size"), None
        source = "published, ImageNet-1k"
    if top1 is None:
        return None
    return {"top1": top1, "source": source, "size": size, "precision": precision}


def _counted(name: str, size: int, batch: int) -> "tuple[nn.Module, tuple[int, ...], Counts]":
    """Return a network in evaluation mode, the shape of one image, and the counts of a batch."""
    if resolve(name).folder is not None:
        raise FleetfootError("a bundle is timed as a whole: measure its network by name")
    require("torch", extra="train")
    from fleetfoot.measure.counts import count
    from fleetfoot.nets.catalog import entry
    from fleetfoot.nets.create import create

    net, image = create(name).eval(), (entry(name).input[0], size, size)
    return net, image, count(net, image, batch=batch)


def _memory(counts: "Counts") -> Json:
    return {
        "live_bytes": counts.live_bytes,
        "names": [f"{record.path} ({record.kind})" for record in counts.records],
        "arena_bytes": counts.arena_bytes,
    }


def _mem_access(counts: "Counts") -> Json | None:
    """Return the sums over all convolutions, in elements of one call."""
    from fleetfoot.measure.mem_access import total_access

    total = total_access(counts.records)
    return total and {name: getattr(total, name) for name in ("elements", "least", "excess")}


def _points(
    net: "nn.Module",
    image: tuple[int, ...],
    batch: int,
    ceilings: Ceilings,
    schedule: Schedule | None,
) -> "tuple[LayerPoint, ...]":
    from fleetfoot.deploy.calibrate_norms import calibrate_norms
    from fleetfoot.measure.layers import layer_points

    return layer_points(
        calibrate_norms(net, image, batch=2),
        image,
        batch=batch,
        threads=ceilings.threads,
        precision=PRECISION,
        ceilings=ceilings,
        schedule=schedule,
    )
