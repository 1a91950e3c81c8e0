"""Our networks beside timm's, in the same engines, precisions and minutes: batch 1, one thread.

    python benchmarks/peers.py [--nets fasternet_t0,...] [--quick] [--out DIR]

For each network all forms run side by side, a pinned process each, blocks in random order: ours
and timm's implementation in PyTorch eager (float32 in both layouts, bfloat16 by autocast),
compiled, in ONNX Runtime and in OpenVINO (float32, bfloat16, float16). Weights are random, batch
norms settled by noise. Ours is exported as `fleetfoot measure` does it, batch norm folded; timm's
is exported as published, and the engine folds. Two anchors run along, a product of 2048-square
matrices and ResNet-18, so that results of different days can be compared. Intervals of differences
come from the blocks of one process each; what two processes of one network differ by is in the
result of `noise`.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import timm
import torch
from record import RESULTS, write_result
from torch import nn

from fleetfoot.core.errors import FleetfootError
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import Cell, CellTiming, measure_cells
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.measure.compare import difference
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import Schedule
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.create import create
from fleetfoot.passes.fold_batch_norm import fold_batch_norm

SIZES = {
    "fasternet_t0": 224,
    "vovnet39a": 224,
    "densenet161": 224,
    "efficientnet_b0": 224,
    "mobilevit_xxs": 256,  # timm's alone: we do not have it
}
FOREIGN = ("mobilevit_xxs",)
FORMS = (  # engine, precision, layout
    ("eager", "float32", "nchw"),
    ("eager", "float32", "nhwc"),
    ("eager", "bfloat16", "nchw"),
    ("compile", "float32", "nchw"),
    ("onnxruntime", "float32", "nchw"),
    ("openvino", "float32", "nchw"),
    ("openvino", "bfloat16", "nchw"),
    ("openvino", "float16", "nchw"),
)
IMPLEMENTATIONS = ("fleetfoot", "timm")
ANCHORS = ("gemm_2048", "resnet18")
FULL = Schedule(min_samples=50, min_seconds=2.0, rounds=10, max_seconds=10.0)
QUICK = Schedule(min_samples=5, min_seconds=0.1, rounds=3, warm_up_seconds=0.2, max_seconds=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(SIZES))
    parser.add_argument("--quick", action="store_true", help="try it: the times mean nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    words = parser.parse_args()
    started, schedule = provenance(), QUICK if words.quick else FULL
    rows: list[dict[str, Any]] = []
    anchors: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    for name in words.nets.split(","):
        found, apart = measured(name, schedule)
        differences += apart
        rows += [row for row in found if row["implementation"] != "anchor"]
        anchors += [row for row in found if row["implementation"] == "anchor"]
        print(f"{name}: {sum(row['error'] is None for row in found)} of {len(found)} forms")
    figures = {
        "threads": 1,
        "batch": 1,
        "schedule": asdict(schedule),
        "rows": rows,
        "differences": differences,
        "anchors": anchors,
    }
    what = __doc__.splitlines()[0]
    write_result("peers", what, figures, started=started, folder=words.out)


def measured(name: str, schedule: Schedule) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row per form of a network and per anchor, and the differences between the peers.

    All are from one interleaved run.
    """
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as folder:
        rows: list[dict[str, Any]] = []
        cells: list[Cell] = list(anchor_cells())
        for cell in cells:
            rows.append({"net": name, "implementation": "anchor", "anchor": cell.name})
        for implementation in IMPLEMENTATIONS:
            if implementation == "fleetfoot" and name in FOREIGN:
                continue
            net = network(name, implementation)
            facts = {"net": name, "implementation": implementation, **counted(net, name)}
            for cell, error in forms(net, name, implementation, Path(folder)):
                rows.append({**facts, "size": SIZES[name], "error": error})
                cells.append(cell)
        refused = [row.get("error") for row in rows]
        able = [cell for cell, error in zip(cells, refused) if error is None]
        timings = measure_cells(able, schedule, in_turn=True)
    found = [
        {**row, **described(cell), **times(timings.get(cell.name), row.get("error"))}
        for row, cell in zip(rows, cells)
    ]
    return found, list(between(name, timings))


def between(name: str, timings: Mapping[str, CellTiming]) -> Iterator[dict[str, Any]]:
    """Yield ours less timm's in each form that both have: median and 95 % interval, in ms."""
    for engine, precision, layout in FORMS:
        pair = [timings.get(f"{by} {engine} {precision} {layout}") for by in IMPLEMENTATIONS]
        ours, theirs = (timing and timing.latency for timing in pair)
        if ours is not None and theirs is not None:
            found = difference(ours.blocks_ms, theirs.blocks_ms)
            yield {
                **{"net": name, "engine": engine, "precision": precision, "layout": layout},
                "difference_ms": found.median_ms,
                "low_ms": found.low_ms,
                "high_ms": found.high_ms,
                "share": found.median_ms / theirs.ms_p50,
            }


def network(name: str, implementation: str) -> nn.Module:
    """Return a network with random weights from seed 0, its batch norms settled."""
    torch.manual_seed(0)
    net = create(name) if implementation == "fleetfoot" else timm.create_model(name)
    return calibrate_norms(net, (3, SIZES[name], SIZES[name]), batch=2)


def counted(net: nn.Module, name: str) -> dict[str, Any]:
    """Return exact counts: equal ones say that both are the same network.

    Operators without a rule, whose work the counts lack, are named.
    """
    counts = count(net, (3, SIZES[name], SIZES[name]))
    return {"params": counts.params, "macs": counts.macs, "uncounted": list(counts.uncounted)}


def forms(
    net: nn.Module, name: str, implementation: str, folder: Path
) -> Iterator[tuple[Cell, str | None]]:
    """Yield a cell for each of `FORMS`, or the cell that there would be and why it is not."""
    image = (3, SIZES[name], SIZES[name])
    graph, problem = folder / f"{implementation}.onnx", None
    try:
        export_onnx(
            fold_batch_norm(net).model if implementation == "fleetfoot" else net, graph, image=image
        )
    except FleetfootError as error:
        problem = str(error)
    for engine, precision, layout in FORMS:
        cell = Cell(
            name=f"{implementation} {engine} {precision} {layout}",
            engine=engine,
            precision=precision,
            layout=layout,
            input_shape=(1, *image),
        )
        if engine in ("eager", "compile"):
            yield replace(cell, module=net), None
        else:
            yield replace(cell, file=graph), problem


def anchor_cells() -> Iterator[Cell]:
    """Yield the fixed work that every result carries."""
    torch.manual_seed(0)
    product = nn.Linear(2048, 2048, bias=False).eval()
    yield Cell(name="gemm_2048", engine="eager", input_shape=(2048, 2048), module=product)
    resnet = calibrate_norms(create("resnet18"), (3, 224, 224), batch=2)
    yield Cell(name="resnet18", engine="eager", input_shape=(1, 3, 224, 224), module=resnet)


def described(cell: Cell) -> dict[str, Any]:
    """Return the words of a cell."""
    return {"engine": cell.engine, "precision": cell.precision, "layout": cell.layout}


def times(timing: CellTiming | None, error: str | None) -> dict[str, Any]:
    """Return the figures of a timing; None where there are none, and why."""
    latency = timing.latency if timing else None
    names = ("ms_p50", "ms_p90", "ms_p99", "ms_iqr", "ms_min")
    return {
        **{f"latency_{name}": latency and getattr(latency, name) for name in names},
        "noise": latency and latency.noise,
        "samples": latency and latency.samples,
        "cold_start_ms": timing and timing.open_ms,
        "first_call_ms": timing and timing.first_call_ms,
        "actual_precision": timing and timing.actual_precision,
        "error": error if timing is None else timing.error,
    }


if __name__ == "__main__":
    main()
