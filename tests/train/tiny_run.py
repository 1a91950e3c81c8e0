"""A tiny data set, network and run that every test here shares; also imported by subprocesses."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from fleetfoot.core.seeds import rng, seed_everything
from fleetfoot.data.augment import Augment
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data, Sample, Split
from fleetfoot.train.loop import TrainResult, train
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.planning.make_plan import make_plan
from fleetfoot.train.planning.plan import Plan, read_plan
from fleetfoot.train.recipe import Compute, Examples, Recipe
from fleetfoot.train.saved_state import load_latest

CLASSES = ("a", "b", "c")
SIZE = 8
PREPROCESS = Preprocess(SIZE, 1.0, "bilinear", (128.0,) * 3, (64.0,) * 3)


def read(key: str) -> np.ndarray:
    """An image of noise whose brightness is that of its class, three levels apart."""
    index, label = (int(part) for part in key.split(":"))
    noise = rng("tiny", index).integers(0, 64, (SIZE, SIZE, 3))
    return (noise + 64 * label).astype(np.uint8)


def split(name: str, images: int, *, first: int = 0) -> Split:
    labels = [(index * 7 // 3) % len(CLASSES) for index in range(images)]
    samples = tuple(
        Sample(index, f"{first + index}:{label}", label) for index, label in enumerate(labels)
    )
    return Split(name, samples, read)


def data(train_images: int = 50, val_images: int = 20) -> Data:
    return Data(
        spec="tiny",
        name="tiny",
        classes=CLASSES,
        train=split("train", train_images),
        val=split("val", val_images, first=1000),
        test=None,
        held_out=True,
    )


class TinyNet(nn.Module):
    """Two convolutions (one of them 1 x 1, whose strides are ambiguous), norms and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, groups=4),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(16, len(CLASSES))

    def forward_pooled(self, x: Tensor) -> Tensor:
        return self.stem(x).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.forward_pooled(x)))


def recipe(**changes: Any) -> Recipe:
    small = Recipe(
        epochs=3,
        batch=8,
        optimizer=AdamW(lr=1e-2),
        examples=Examples(augment=Augment(crop="pad", pad=1, flip=0.5)),
        compute=Compute(precision="float32", layout="nchw"),
    )
    return small.with_changes(**changes)


def new_net(seed: int = 0) -> TinyNet:
    seed_everything(seed)
    return TinyNet()


def plan(folder: Path, recipe: Recipe, images: Data | None = None, net: Any = None) -> Plan:
    folder.mkdir(parents=True, exist_ok=True)
    return make_plan(
        new_net() if net is None else net,
        data() if images is None else images,
        recipe,
        preprocess=PREPROCESS,
        folder=folder,
        threads=1,
    )


def run(folder: Path, recipe: Recipe, images: Data | None = None, **more: Any) -> TrainResult:
    """Plan, unless there is a plan, and train."""
    net = more.pop("net", None) or new_net()
    images = data() if images is None else images
    made = read_plan(folder) if (folder / "plan.json").exists() else plan(folder, recipe, images)
    return train(net, images, recipe, plan=made, folder=folder, preprocess=PREPROCESS, **more)


def fingerprint(folder: Path) -> dict[str, str]:
    """What must not differ: metrics without times, and every tensor of the last state."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds")
        line.pop("images_per_second", None)
    state = load_latest(folder / "state")
    assert state is not None
    prints = {
        name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        for name, tensor in state.tensors.items()
    }
    text = json.dumps(lines, sort_keys=True)
    return prints | {"metrics": hashlib.sha256(text.encode()).hexdigest()}
