"""Kill a queue of claims with -9 at random moments: it must end with the bits of the undisturbed.

    python benchmarks/queue_kill.py [--kills 20] [--no-timing | --timing-only] [--out DIR]

Two claims that train small networks on the handwritten digits, with a state every fraction of a
second, are worked through by a queue of two processes. One queue goes undisturbed. Another is
killed at random moments, the whole or a single worker, and begun again each time; values of
the claims, logits and weights are compared bit by bit. Then an A/A timing by the house's `measure`
code: a network against itself, on a machine without a queue and beside one at work. The interval of
each difference must contain 0 as often as without it, and that of the ratio of the times 1.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import RESULTS, write_result
from torch import nn

from fleetfoot.claims import kept_training, ledger, queue_worker
from fleetfoot.claims.claim import Claim, Control, Measurement, Setting
from fleetfoot.claims.queue import Order, Queue
from fleetfoot.claims.queue_run import work_on
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.timing import median_ratio
from fleetfoot.claims.training import train_once
from fleetfoot.core.child_process import child_environment
from fleetfoot.core.listener import Silent
from fleetfoot.data.augment import Augment
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import Cell, measure_cells
from fleetfoot.measure.compare import difference
from fleetfoot.measure.latency import Schedule
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.create import create
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.recipe import Checkpoints, Compute, Examples, Recipe

IDS = ("toy/one", "toy/two")
SEEDS = 2
EPOCHS = int(os.environ.get("QUEUE_EPOCHS", "60"))
RECIPE = Recipe(
    epochs=EPOCHS,
    batch=50,
    optimizer=AdamW(lr=0.01),
    examples=Examples(augment=Augment(crop="pad", pad=1, flip=0.5)),
    checkpoints=Checkpoints(ema=0.9),
    compute=Compute(precision="bfloat16", layout="nhwc"),
    methods=methods("mixup:alpha=1"),
)
SAVE_SECONDS = 0.3
MOST_SECONDS = 2.0  # from the first state after a start to the kill
NET, IMAGE = "fleetnet_small", (3, 64, 64)
PAIRS = 8
SCHEDULE = Schedule(min_samples=100, min_seconds=0.0, rounds=20, warm_up_seconds=0.5)


def net(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(64 * width, 10),
    )


def measured(setting: Setting, width: int) -> Measurement:
    """Return the mean error of trainings, with a hash of what each ended with."""
    words: dict[str, Any] = {"data": "digits", "train_images": 600, "test_images": 200}
    rows = []
    for seed in range(SEEDS):
        outcome = train_once(lambda: net(width), setting, recipe=RECIPE, seed=seed, **words)
        digest = hashlib.sha256(outcome.logits.numpy().tobytes())
        for name, tensor in sorted(outcome.net.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        rows.append({"seed": seed, "error": outcome.test_error, "sha256": digest.hexdigest()})
    return Measurement(value=float(np.mean([row["error"] for row in rows])), table=tuple(rows))


def claims() -> dict[str, Claim]:
    one = Claim(
        id=IDS[0],
        paper="none",
        sentence="A training ends with the same bits after any stop.",
        protocol="two seeds on digits",
        unit="%",
        paper_value=None,
        measure=lambda setting: measured(setting, 8),
        rule=at_least(1.0, 0.5),
        control=Control("a wider network", lambda setting: measured(setting, 12)),
        footing={"cpu": "as published"},
    )
    two = dataclasses.replace(  # shares its trainings with the other
        one, id=IDS[1], measure=one.control.measure, control=Control("a narrower one", one.measure)
    )
    return {claim.id: claim for claim in (one, two)}


def queue_in(folder: Path) -> Queue:
    queue = Queue(folder / "queue")
    queue.take(Order(scale="cpu", out=folder / "out", data=None, ids=IDS))
    (folder / "out").mkdir(exist_ok=True)
    return queue


def start(queue: Queue) -> "subprocess.Popen[bytes]":
    """Begin to work on a queue, in a process group of its own."""
    command = [sys.executable, __file__, "--work", str(queue.folder)]
    return subprocess.Popen(command, env=child_environment(1), start_new_session=True)


def ends(folder: Path) -> dict[str, Any]:
    """Return what a queue ended with: values of its claims and hashes of its trainings."""
    found = {}
    for path in sorted((folder / "out").glob("*.json")):
        result = json.loads(path.read_text())
        found[result["id"]] = {part: result[part] for part in ("measurement", "control")}
    return found


def killed(queue: Queue, draw: random.Random) -> dict[str, Any] | None:
    """Kill a queue, or one of its workers, at random; None if it came to its end before."""
    process, before, begun = start(queue), newest(queue), time.monotonic()
    while newest(queue) == before and process.poll() is None:
        time.sleep(0.01)
    moment, what = draw.uniform(0.0, MOST_SECONDS), draw.choice(("queue", "worker"))
    time.sleep(moment)
    workers = children(process.pid)
    if what == "worker" and workers and process.poll() is None:
        os.kill(draw.choice(workers), signal.SIGKILL)
        time.sleep(draw.uniform(0.0, 1.0))
    going = process.poll() is None
    process.kill()
    process.wait()
    return {"what": what, "seconds": round(time.monotonic() - begun, 2)} if going else None


def children(parent: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def newest(queue: Queue) -> int:
    """Return when a training was last saved."""
    files = queue.trainings.glob("*/state/latest")
    return max((path.stat().st_mtime_ns for path in files), default=0)


def kills(count: int, scratch: Path) -> dict[str, Any]:
    """Return what was killed, and whether both queues ended with the same bits."""
    whole, broken = queue_in(scratch / "whole"), queue_in(scratch / "broken")
    begun = time.monotonic()
    start(whole).wait()
    seconds, draw, rows = time.monotonic() - begun, random.Random(0), []
    while len(rows) < count and (row := killed(broken, draw)):
        rows.append(row)
        print(f"kill {len(rows)}: {row}", flush=True)
    start(broken).wait()
    expected, found = ends(scratch / "whole"), ends(scratch / "broken")
    return {
        "kills": len(rows),
        "seconds_undisturbed": round(seconds, 1),
        "rows": rows,
        "undisturbed": expected,
        "killed": found,
        "identical": expected == found and set(expected) == set(IDS),
    }


def timing(scratch: Path) -> dict[str, Any]:
    """Return the A/A timing without a queue and beside one that begins again when it is done."""
    torch.manual_seed(0)
    module = calibrate_norms(create(NET), IMAGE)
    alone, beside = [], []
    for seed in range(PAIRS):  # in turns, because the machine's pace moves
        alone.append(pair(module, seed))
        process = start(queue_in(scratch / f"beside-{seed}"))
        time.sleep(10)  # both workers are at their trainings
        beside.append({**pair(module, seed), "queue_at_work": process.poll() is None})
        process.kill()
        process.wait()
    ratio = median_ratio(*([row["median_ms"] for row in rows] for rows in (beside, alone)))
    return {
        "net": NET,
        "pairs": PAIRS,
        "without": alone,
        "beside": beside,
        "contains_zero_without": sum(row["contains_zero"] for row in alone),
        "contains_zero_beside": sum(row["contains_zero"] for row in beside),
        "ratio_beside_to_without": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
    }


def pair(module: nn.Module, seed: int) -> dict[str, Any]:
    """Return how a network compares with itself in another process."""
    cells = [Cell(name=n, engine="eager", input_shape=(1, *IMAGE), module=module) for n in "ab"]
    timings = measure_cells(cells, dataclasses.replace(SCHEDULE, seed=seed))
    a, b = (timings[name].latency for name in "ab")
    assert a is not None
    assert b is not None
    found = difference(a.blocks_ms, b.blocks_ms, seed=seed)
    return {
        "median_ms": a.ms_p50,
        "iqr_ms": a.ms_iqr,
        "difference_ms": found.median_ms,
        "low_ms": found.low_ms,
        "high_ms": found.high_ms,
        "contains_zero": found.low_ms <= 0 <= found.high_ms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--no-timing", action="store_true", help="where the machine is not quiet")
    parser.add_argument(
        "--timing-only", action="store_true", help="beside the kills that are stored"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    words, started = parser.parse_args(), provenance()
    scratch = Path(tempfile.mkdtemp(prefix="fleetfoot-queue-"))
    figures: dict[str, Any] = {"save_seconds": SAVE_SECONDS, "epochs": EPOCHS}
    if words.timing_only:
        stored = json.loads((words.out / "queue.json").read_text())
        origin = {name: stored[name] for name in ("date", "commit", "load_1min")}
        figures |= {"killing": {"measured": origin, **stored["figures"]["killing"]}}
    else:
        figures |= {"killing": kills(words.kills, scratch)}
    figures |= {"timing": None if words.no_timing else timing(scratch)}
    write_result("queue", __doc__.splitlines()[0], figures, started=started, folder=words.out)
    killing = figures["killing"]
    print(f"{killing['kills']} kills, identical: {killing['identical']}")
    shutil.rmtree(scratch, ignore_errors=True)
    raise SystemExit(0 if killing["identical"] and killing["kills"] == words.kills else 1)


def work(folder: Path) -> None:
    """Work on a queue whose claims are those of this file."""
    queue = Queue(folder)
    command = (sys.executable, __file__, "--claim")
    work_on(queue, queue.order(), workers=2, listener=Silent(), command=command)


if __name__ == "__main__":
    ledger.claims = claims
    kept_training.SAVE_SECONDS = SAVE_SECONDS
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--claim"]:
        sys.exit(queue_worker.main(sys.argv[2:]))
    else:
        main()
