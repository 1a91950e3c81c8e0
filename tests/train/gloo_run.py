"""One process of the distributed tests, started by torchrun: ``gloo_run.py WHAT FOLDER``."""

import json
import sys
from pathlib import Path

import numpy as np
import tiny_run as tiny
import torch

from fleetfoot.data.loader import Loader
from fleetfoot.train.evaluate import evaluate_net
from fleetfoot.train.process.distributed import any_process, from_first, gather_rows, process_group


def evaluate(folder: Path, rank: int, world: int) -> None:
    """Ten images, batch three: what every rank makes of them."""
    split = tiny.split("val", 10)
    loader = Loader(split, tiny.PREPROCESS, batch=3, rank=rank, world=world)
    found = evaluate_net(tiny.new_net(), loader)
    np.savez(folder / f"{rank}.npz", logits=found.logits, labels=found.labels, i=found.indices)


def train(folder: Path, rank: int, world: int) -> None:
    """A run over all processes, of which the first writes the files."""
    recipe = tiny.recipe(epochs=2, ema=0.9, state_every=5)
    result = tiny.run(folder, recipe, resume=(folder / "state").exists())
    weights = json.dumps([tiny_sum for tiny_sum in (result.val_top1, result.val_loss)])
    (folder / f"{rank}.json").write_text(weights)


def collectives(folder: Path, rank: int, world: int) -> None:
    """Rows of unequal number, one process without any; votes; a value from the first."""
    rows = torch.full((rank, 2 if rank else 0), float(rank))
    gathered = gather_rows(rows).tolist()
    vote = any_process(rank == 1, device=torch.device("cpu"))
    value = from_first({"rank": rank})
    (folder / f"{rank}.json").write_text(json.dumps([gathered, vote, value]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group() as process:
        globals()[sys.argv[1]](Path(sys.argv[2]), process.rank, process.world)
