"""One run of the kill test, in a process of its own: ``kill_run.py FOLDER EPOCHS``.

The plan has to be in the folder; the run goes on from whatever state is there.
"""

import sys
from pathlib import Path

import tiny_run as tiny
import torch


def recipe(epochs: int) -> tiny.Recipe:
    """Everything that could go wrong at once: bf16, channels last, dropout, momenta, an average."""
    return tiny.recipe(
        epochs=epochs,
        ema=0.95,
        layout="nhwc",
        precision="bfloat16",
        state_every=10,
        clip_norm=1.0,
        augment=tiny.Augment(crop="pad", pad=1, flip=0.5),
    )


DATA = tiny.data(200, 40)


def go(folder: Path, epochs: int) -> None:
    """Start the run, or go on with it."""
    tiny.run(folder, recipe(epochs), DATA, resume=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    go(Path(sys.argv[1]), int(sys.argv[2]))
