"""Training throughput from JPEG files: what the plan chooses against float32 in default layout.

    python benchmarks/throughput.py --data DATA

FasterNet-T0, 224 px, batch 32, images of `DATA/imagenet_sample` decoded every epoch by two workers,
random resized crop and flip. Both jobs have their own workers; blocks of steps take turns in random
order, and the first steps of a block, which use up what the workers had ready, are not counted.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from record import write_result

from fleetfoot.core.seeds import rng
from fleetfoot.data.augment import Augment
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.data.open_data import open_for_evaluation
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.create import create
from fleetfoot.train.allocator import keep_freed_memory
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps import Context, supervised_step, take_step
from fleetfoot.train.trainee import Trainee, prepare

SIZE, BATCH, WORKERS = 224, 32, 2
ROUNDS, COUNTED, DRAINED = 4, 8, 6
PREPROCESS = Preprocess(SIZE, 0.9, "bicubic", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
AUGMENT = Augment(crop="resized", flip=0.5)


class Job:
    """One way to compute, with a network, an optimiser and readers of its own."""

    def __init__(self, split: Any, *, precision: str, layout: str) -> None:
        recipe = Recipe(batch=BATCH, augment=AUGMENT, optimizer="adamw", lr=1e-4)
        net = prepare(create("fasternet_t0"), recipe, layout=layout, device="cpu")
        self.trainee = Trainee.of(net, recipe)
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
            take_step(self.trainee, next(self.batches), self.context, step=supervised_step)
            if step >= DRAINED:
                times.append(time.perf_counter() - start)
        return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    started = provenance()
    torch.set_num_threads(2)
    keep_freed_memory()  # as every run of `fit` does; it helps both jobs
    names = tuple(sorted({p.name.split("_")[1] for p in (data / "imagenet_sample").glob("*.jpg")}))
    split = open_for_evaluation(str(data / "imagenet_sample" / "manifest.csv"), names)
    jobs = {
        "float32 nchw": Job(split, precision="float32", layout="nchw"),
        "bfloat16 nhwc": Job(split, precision="bfloat16", layout="nhwc"),
    }
    blocks: dict[str, list[list[float]]] = {name: [] for name in jobs}
    for turn in range(ROUNDS):
        for index in rng(0, "throughput", turn).permutation(len(jobs)):
            name = list(jobs)[index]
            blocks[name].append(jobs[name].seconds())
    speeds = {
        name: BATCH * ROUNDS * COUNTED / sum(map(sum, times)) for name, times in blocks.items()
    }
    by_block = {
        name: [round(BATCH * COUNTED / sum(block), 2) for block in times]
        for name, times in blocks.items()
    }
    slow, fast = (by_block[name] for name in jobs)
    figures = {
        "images_per_second": {name: round(speed, 2) for name, speed in speeds.items()},
        "images_per_second_by_block": by_block,
        "steps_counted": ROUNDS * COUNTED,
        "ratio": speeds["bfloat16 nhwc"] / speeds["float32 nchw"],
        "ratio_median_of_rounds": statistics.median(b / a for a, b in zip(slow, fast)),
        "input": {name: vars(job.loader.profile) for name, job in jobs.items()},
    }
    write_result("throughput", __doc__.splitlines()[0], figures, started=started)
    print(f"ratio {figures['ratio']:.2f}: {figures['images_per_second']}")


if __name__ == "__main__":
    main()
