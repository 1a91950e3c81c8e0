"""Training throughput from JPEG files: a run of `fit` against float32 and torch's kernels.

    python benchmarks/throughput.py --data DATA

FasterNet-T0, 224 px, batch 32, images of `DATA/imagenet_sample` decoded every epoch by two workers,
random resized crop and flip. Each job has a process and workers of its own; blocks of steps take
turns in random order, and the first steps of a block, which use up what the workers had ready, are
not counted. A run of `fit` computes in bfloat16, channels last, with fused kernels
(`train/fused/fused_view.py`), and keeps the memory that it frees (`train/process/allocator.py`);
the same with torch's kernels shows what they give. Float32 in the default layout is measured as a
plain loop in torch has it, with the allocator as it is, and with freed memory kept besides. Loading
is the same for all.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from record import write_result

from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.seeds import rng
from fleetfoot.data.augment import Augment
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.data.open_data import open_for_evaluation
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.create import create
from fleetfoot.train.fused.fused_view import view_of
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.process.allocator import keep_freed_memory
from fleetfoot.train.recipe import Examples, Recipe
from fleetfoot.train.steps.step import Context, supervised_step
from fleetfoot.train.steps.take_steps import take_step
from fleetfoot.train.train_state import TrainState, prepare

SIZE, BATCH, WORKERS = 224, 32, 2
ROUNDS, COUNTED, DRAINED = 8, 8, 6
PREPROCESS = Preprocess(SIZE, 0.9, "bicubic", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
AUGMENT = Augment(crop="resized", flip=0.5)
PLAN = "bfloat16 nhwc, fused kernels, memory kept"
TORCH = "bfloat16 nhwc, memory kept"
KEPT = "float32 nchw, memory kept"
PLAIN = "float32 nchw, default allocator"
JOBS = {  # precision, layout, kernels, and whether freed memory is kept
    PLAIN: ("float32", "nchw", "torch", False),
    KEPT: ("float32", "nchw", "torch", True),
    TORCH: ("bfloat16", "nhwc", "torch", True),
    PLAN: ("bfloat16", "nhwc", "fused", True),
}


class Job:
    """One way to compute, with a network, an optimiser and readers of its own."""

    def __init__(self, split: Any, *, precision: str, layout: str, kernels: str) -> None:
        recipe = Recipe(
            batch=BATCH,
            optimizer=AdamW(lr=1e-4),
            examples=Examples(augment=AUGMENT),
        )
        net = prepare(create("fasternet_t0"), recipe, layout=layout, device="cpu")
        self.state = TrainState.of(net, recipe)
        self.state.model = view_of(net, kernels)
        normalise = Normalise(PREPROCESS, layout=layout, device=torch.device("cpu"))
        self.context = Context(recipe, 0, 1000, normalise, precision)
        self.loader = Loader(
            split,
            PREPROCESS,
            batch=BATCH,
            augment=AUGMENT,
            workers=WORKERS,
            memory_limit_bytes=0,
        )
        self.batches = self._endless()

    def _endless(self) -> Iterator[Batch]:
        epoch = 0
        while True:
            yield from self.loader.epoch(epoch)
            epoch += 1

    def seconds(self) -> list[float]:
        """Return the times of the counted steps of one block, loading included."""
        times: list[float] = []
        for step in range(DRAINED + COUNTED):
            start = time.perf_counter()
            take_step(self.state, next(self.batches), self.context, step=supervised_step)
            if step >= DRAINED:
                times.append(time.perf_counter() - start)
        return times


def serve(name: str, data: Path, pipe: Connection) -> None:
    """Run a block of one job whenever told to; in the end, say where input time went."""
    precision, layout, kernels, kept = JOBS[name]
    torch.set_num_threads(2)
    if kept:
        keep_freed_memory()
    names = tuple(sorted({p.name.split("_")[1] for p in (data / "imagenet_sample").glob("*.jpg")}))
    split = open_for_evaluation(str(data / "imagenet_sample" / "manifest.csv"), names)
    job = Job(split, precision=precision, layout=layout, kernels=kernels)
    job.seconds()  # the first block pays for many things
    pipe.send("ready")
    while pipe.recv():
        pipe.send(job.seconds())
    pipe.send(vars(job.loader.profile))


@measuring()
def in_turns(pipes: dict[str, Connection]) -> tuple[dict[str, list[list[float]]], dict[str, Any]]:
    """Return the step times of every block of each job, and where its input time went."""
    blocks: dict[str, list[list[float]]] = {name: [] for name in pipes}
    for turn in range(ROUNDS):
        for index in rng(0, "throughput", turn).permutation(len(pipes)):
            name = list(pipes)[index]
            pipes[name].send(True)
            blocks[name].append(pipes[name].recv())
    for pipe in pipes.values():
        pipe.send(False)
    return blocks, {name: pipe.recv() for name, pipe in pipes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    started = provenance()
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    try:
        for name in JOBS:
            pipes[name], theirs = spawn.Pipe()
            spawn.Process(target=serve, args=(name, data, theirs)).start()
            theirs.close()  # so that a process that died is heard of
            pipes[name].recv()
        blocks, profiles = in_turns(pipes)
    finally:
        for pipe in pipes.values():
            pipe.close()
    speeds = {
        name: BATCH * ROUNDS * COUNTED / sum(map(sum, times)) for name, times in blocks.items()
    }
    by_block = {
        name: [round(BATCH * COUNTED / sum(block), 2) for block in times]
        for name, times in blocks.items()
    }
    figures = {
        "images_per_second": {name: round(speed, 2) for name, speed in speeds.items()},
        "images_per_second_by_block": by_block,
        "steps_counted": ROUNDS * COUNTED,
        "ratio": speeds[PLAN] / speeds[PLAIN],
        "ratio_median_of_rounds": statistics.median(
            b / a for a, b in zip(by_block[PLAIN], by_block[PLAN])
        ),
        "ratio_memory_kept": speeds[PLAN] / speeds[KEPT],
        "ratio_of_kernels": speeds[PLAN] / speeds[TORCH],
        "input": profiles,
    }
    write_result("throughput", __doc__.splitlines()[0], figures, started=started)
    print(
        f"ratio {figures['ratio']:.2f}, with memory kept {figures['ratio_memory_kept']:.2f}: "
        f"{figures['images_per_second']}"
    )


if __name__ == "__main__":
    main()
