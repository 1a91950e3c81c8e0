"""A/A test: a small network against itself, and against itself made 10 % slower on purpose.

    python benchmarks/noise.py [--repeats 100] [--pairs 20] [--quick] [--out DIR]

In each repeat the network, the same network again and its slow version are timed in blocks in
random order, and `compare.difference` gives an interval for each difference. The slow version waits
after each call until 1.1 times the call has passed. Must hold: the interval of the equals contains
0 in at least 90 of 100 repeats, its half-width is at most 5 % of the median, and the slow version
is told apart in at least 90. Then the same without a slow version between pairs of fresh processes:
what two processes differ by is the noise of comparing networks that have a process each.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import RESULTS, write_result

from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import Cell, measure_cells
from fleetfoot.measure.compare import difference
from fleetfoot.measure.device import idlest_cpus
from fleetfoot.measure.latency import Latency, Schedule, measure_interleaved
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.create import create

NET = "fleetnet_small"
IMAGE = (3, 64, 64)
SLOWER = 1.10
ROUNDS = 20
SCHEDULE = Schedule(min_samples=100, min_seconds=0.0, rounds=ROUNDS, warm_up_seconds=0.5)
QUICK = Schedule(min_samples=20, min_seconds=0.0, rounds=ROUNDS, warm_up_seconds=0.05)
MOST_HALF_WIDTH = 0.05  # of the median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="try it: the times mean nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    words = parser.parse_args()
    started, schedule = provenance(), QUICK if words.quick else SCHEDULE
    figures = {
        "net": NET,
        "image": IMAGE,
        "rounds": ROUNDS,
        "samples": schedule.min_samples,
        "slower": SLOWER,
        "one_process": one_process(words.repeats, schedule),
        "two_processes": two_processes(words.pairs, schedule),
    }
    write_result("noise", __doc__.splitlines()[0], figures, started=started, folder=words.out)
    for name in ("one_process", "two_processes"):
        print(name, {k: v for k, v in figures[name].items() if not isinstance(v, list)})


def network() -> torch.nn.Module:
    """Return the network with random weights from seed 0, its batch norms settled."""
    torch.manual_seed(0)
    return calibrate_norms(create(NET), IMAGE)


def one_process(repeats: int, schedule: Schedule) -> dict[str, Any]:
    """Return what the repeats found, all in this process on one processor."""
    net, x = network(), torch.randn(1, *IMAGE)
    before = os.sched_getaffinity(0)
    torch.set_num_threads(1)
    with torch.inference_mode(), contextlib.ExitStack() as stack:
        os.sched_setaffinity(0, idlest_cpus(1))
        stack.callback(os.sched_setaffinity, 0, before)
        calls = {"a": lambda: net(x), "b": lambda: net(x), "slow": slowed(lambda: net(x))}
        runs = []
        for repeat in range(repeats):
            seeded = Schedule(**{**vars(schedule), "seed": repeat})
            runs.append(measure_interleaved(calls, seeded))
    rows = [row(run["a"], run["b"], repeat) for repeat, run in enumerate(runs)]
    slow = [difference(r["slow"].blocks_ms, r["a"].blocks_ms, seed=i) for i, r in enumerate(runs)]
    apart = [d.low_ms > 0 and d.told_apart(abs(r["difference_ms"])) for d, r in zip(slow, rows)]
    shares = [d.median_ms / run["a"].ms_p50 for d, run in zip(slow, runs)]
    return {
        **summary(rows),
        "slow_told_apart": sum(apart),
        "slow_share_median": float(np.median(shares)),
        "rows": rows,
    }


def slowed(call: Callable[[], Any]) -> Callable[[], None]:
    """Return the call with a wait behind it, so that it takes `SLOWER` times as long."""

    def slow() -> None:
        start = time.perf_counter()
        call()
        end = start + SLOWER * (time.perf_counter() - start)
        while time.perf_counter() < end:
            pass

    return slow


def two_processes(pairs: int, schedule: Schedule) -> dict[str, Any]:
    """Return what comparing the network with itself in another process found."""
    net = network()
    rows = []
    for pair in range(pairs):
        cells = [
            Cell(name=name, engine="eager", input_shape=(1, *IMAGE), module=net) for name in "ab"
        ]
        seeded = Schedule(**{**vars(schedule), "seed": pair})
        times = [timing.latency for timing in measure_cells(cells, seeded).values()]
        if all(times):
            rows.append(row(*times, pair))
    return {**summary(rows), "rows": rows}


def row(a: Latency, b: Latency, seed: int) -> dict[str, Any]:
    """Return one comparison of equals."""
    found = difference(a.blocks_ms, b.blocks_ms, seed=seed)
    return {
        "median_ms": a.ms_p50,
        "difference_ms": found.median_ms,
        "low_ms": found.low_ms,
        "high_ms": found.high_ms,
        "contains_zero": found.low_ms <= 0 <= found.high_ms,
        "half_width_share": found.half_width_ms / a.ms_p50,
        "noise": a.noise,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts over all repeats; shares are of the median time."""
    widths = [r["half_width_share"] for r in rows]
    differences = [abs(r["difference_ms"]) / r["median_ms"] for r in rows]
    return {
        "repeats": len(rows),
        "contains_zero": sum(r["contains_zero"] for r in rows),
        "narrow_enough": sum(width <= MOST_HALF_WIDTH for width in widths),
        "half_width_share_median": float(np.median(widths)) if rows else None,
        "half_width_share_p95": float(np.percentile(widths, 95)) if rows else None,
        "difference_share_median": float(np.median(differences)) if rows else None,
        "difference_share_max": max(differences, default=None),
    }


if __name__ == "__main__":
    main()
