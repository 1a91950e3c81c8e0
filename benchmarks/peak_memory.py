"""Counted peak of live maps beside the peak that the system sees, and what lies between them.

    python benchmarks/peak_memory.py [--nets vovnet39,...] [--repeats 3] [--out DIR]

One thread, float32, PyTorch eager, 224 x 224, batches of 1 and 8, each repeat in fresh processes.
The difference between the two peaks is the sum of four parts, each of which is counted or measured
by itself: `variables` (maps that the program's variables name longer than the schedule needs them),
`torch_workspace` (what operators take from torch's allocator for themselves), `system_workspace`
(what they take from the system; below zero where they use pages that the process had) and
`fragmentation` (freed blocks that the C library keeps). Weights are in none of them.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, write_result

from fleetfoot.measure.counts import Counts, count
from fleetfoot.measure.process_memory import ProcessMemory, peak_rss_of
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.create import create

NETS = ("vovnet39", "densenet201", "efficientnet_b0")
BATCHES = (1, 8)
IMAGE = (3, 224, 224)
MEGA = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    words = parser.parse_args()
    started, rows = provenance(), []
    for name in words.nets.split(","):
        for batch in BATCHES:
            rows.append(measured(name, batch, words.repeats))
            print(line(rows[-1]))
    figures = {"threads": 1, "input": IMAGE, "repeats": words.repeats, "rows": rows}
    what = __doc__.splitlines()[0]
    write_result("peak_memory", what, figures, started=started, folder=words.out)


def measured(name: str, batch: int, repeats: int) -> dict[str, Any]:
    """Return counted and measured peaks, in bytes, and the parts of their difference."""
    torch.manual_seed(0)
    net = create(name)
    counts = count(net, IMAGE, batch=batch)
    found = [peak_rss_of(net, IMAGE, batch=batch) for _ in range(repeats)]
    middle = medians(found)
    return {
        "net": name,
        "batch": batch,
        "peak_live_bytes": counts.peak_live_bytes,
        "least_peak_bytes": counts.least_peak_bytes,
        "arena_bytes": counts.arena_bytes,
        "held_bytes": counts.held_bytes,
        "measured": middle,
        "measured_each": [asdict(one) for one in found],
        "difference": parts(counts, middle),
    }


def medians(found: Sequence[ProcessMemory]) -> dict[str, int | str | None]:
    """Return the median of each figure; None if it is unknown in any repeat."""
    middle: dict[str, int | str | None] = {"reason": found[0].reason}
    for key in asdict(found[0]).keys() - {"reason"}:
        values = [getattr(one, key) for one in found]
        middle[key] = None if None in values else int(statistics.median(values))
    return dict(sorted(middle.items()))


def parts(counts: Counts, middle: dict[str, Any]) -> dict[str, int] | None:
    """Return what the measured peak has beyond the counted one, part by part; None if unknown."""
    if None in (middle["tensor_bytes"], middle["exact_bytes"], middle["call_bytes"]):
        return None
    return {
        "all": middle["call_bytes"] - counts.peak_live_bytes,
        "variables": counts.held_bytes - counts.peak_live_bytes,
        "torch_workspace": middle["tensor_bytes"] - counts.held_bytes,
        "system_workspace": middle["exact_bytes"] - middle["tensor_bytes"],
        "fragmentation": middle["call_bytes"] - middle["exact_bytes"],
    }


def line(row: dict[str, Any]) -> str:
    """Return one row for the screen, in MB."""
    counted, call = row["peak_live_bytes"] / MEGA, row["measured"]["call_bytes"]
    if row["difference"] is None or call is None:
        return f"{row['net']} x {row['batch']}: counted {counted:.1f}; {row['measured']['reason']}"
    beyond = ", ".join(f"{k} {v / MEGA:+.1f}" for k, v in row["difference"].items() if k != "all")
    return f"{row['net']} x {row['batch']}: counted {counted:.1f} MB, {beyond} = {call / MEGA:.1f}"


if __name__ == "__main__":
    main()
