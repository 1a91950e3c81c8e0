"""Every family trains: one short run each, close to an accuracy that was stored before.

`FLEETFOOT_ACCEPT=1 pytest -m slow tests/recipes/test_run_families.py` stores what it measures in
`tests/golden/short_runs.json`; without it a run has to come within two points of the stored value.
Baseline: logistic regression on pixels (`benchmarks/pixel_baseline.py`).
"""

import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.augment import Augment
from fleetfoot.data.open_data import open_data
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data, Split
from fleetfoot.nets.catalog import entries, entry
from fleetfoot.nets.create import create
from fleetfoot.train.loop import train
from fleetfoot.train.optim.rules import SGD, VelocitySGD
from fleetfoot.train.optim.schedules import Linear, Steps
from fleetfoot.train.planning.make_plan import make_plan
from fleetfoot.train.recipe import Compute, Examples, Recipe

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "short_runs.json"
TOLERANCE = 0.02
BASELINE = {"cifar10": 0.386, "mnist": 0.912}
MARGIN = 0.08  # above the baseline, or a third of what is left to 100 %
VAL_IMAGES = 2000

PIXELS = {
    "cifar10": Preprocess(32, 1.0, "bilinear", (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
    "mnist": Preprocess(28, 1.0, "bilinear", (33.3,), (78.6,), channels=1),
}

ORDINARY = Recipe(
    epochs=3,
    batch=64,
    optimizer=SGD(lr=0.05, weight_decay=5e-4),
    schedule=Linear(warmup=0.2),
    examples=Examples(augment=Augment(crop="pad", pad=2, flip=0.5), label_smoothing=0.0),
    compute=Compute(precision="bfloat16", layout="nhwc"),
)


@dataclass(frozen=True, kw_only=True)
class ShortRun:
    """What one family is trained with."""

    net: str
    data: str = "cifar10"
    images: int = 10_000
    recipe: Recipe = ORDINARY
    options: dict[str, Any] = field(default_factory=dict)
    pixels: dict[str, Any] = field(default_factory=dict)


def on_digits(net: str, *, images: int = 5000, size: int = 28, **changes: Any) -> ShortRun:
    """Return a run on MNIST: no flip, a shift of one pixel."""
    recipe = ORDINARY.with_changes(**{"augment": Augment(crop="pad", pad=1, flip=0.0), **changes})
    return ShortRun(net=net, data="mnist", images=images, recipe=recipe, pixels={"size": size})


def on_photos(net: str, *, images: int = 5000, **changes: Any) -> ShortRun:
    """Return a run on CIFAR-10."""
    return ShortRun(net=net, images=images, recipe=ORDINARY.with_changes(**changes))


# AlexNet's own rule (section 5) on the small network of its authors: raw pixels less their mean,
# weight decay inside the update, a rate that falls tenfold when progress stalls.
ALEXNET = Recipe(
    epochs=8,
    batch=64,
    optimizer=VelocitySGD(lr=1e-3, momentum=0.9, weight_decay=4e-3),
    schedule=Steps(milestones=(0.75,)),
    examples=Examples(augment=Augment(crop="none", flip=0.5), label_smoothing=0.0),
    compute=Compute(precision="bfloat16", layout="nhwc"),
)

ADAM: dict[str, Any] = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 0.01}
BARE: dict[str, Any] = {"logit_relu": False}
# Depthwise convolutions are faster in float32 here; so few steps want gentle ones and no dropout.
MOBILE: dict[str, Any] = {"precision": "float32", "batch": 32, "lr": 0.01, "epochs": 6}
PLAIN: dict[str, Any] = {"drop_path": 0.0, "dropout": 0.0}
BINARY: dict[str, Any] = {"weight_decay": 0.0, "batch": 100, "epochs": 6, "lr": 5e-3}
BINARY_RESIDUAL = ("binary_resnet", "binary_vgg", "reactnet")
RUNS = (
    ShortRun(
        net="cuda_convnet_26",
        recipe=ALEXNET,
        images=5000,
        pixels={"std": (1.0, 1.0, 1.0)},
    ),
    # As published, NIN and All-CNN stay at chance for so short a time: the sheets say why. Adam,
    # less dropout and no ReLU on the class maps show that the networks learn.
    replace(on_digits("nin_mnist", images=16_000, **ADAM), options=BARE | {"dropout": 0.2}),
    replace(on_digits("allcnn_a_strided", images=10_000, **ADAM), options=BARE | {"dropout": 0.0}),
    on_digits("bn_inception"),
    on_digits("bnn_mnist", images=20_000, **MOBILE | ADAM | BINARY),
    on_digits("mnist_sigmoid_bn", images=20_000, lr=0.5, epochs=6),
    on_photos("vovnet27_slim"),
    on_digits("osa_cifar_5x43", images=3000, size=14),
    on_photos("densenet67"),
    on_digits("peleenet", size=32),
    replace(on_digits("efficientnet_b0", size=32, images=5000, **MOBILE), options=PLAIN),
    replace(on_digits("efficientnet_lite0", size=32, images=5000, **MOBILE), options=PLAIN),
    replace(on_digits("mobilenetv1_100", size=32, **MOBILE), options={"dropout": 0.0}),
    replace(
        on_digits("mobilenetv2_035", size=32, images=8000, **MOBILE | {"epochs": 8}), options=PLAIN
    ),
    replace(
        on_digits(
            "mobilenetv3_small_050", size=32, images=8000, **MOBILE | {"lr": 0.03, "epochs": 4}
        ),
        options={"dropout": 0.0},
    ),
    replace(on_digits("mnasnet_050", size=32, images=8000, **MOBILE), options=PLAIN),
    on_digits("resnet18", size=32),
    on_digits("resnet20_cifar", images=3000),
    on_digits("rmrep_21", images=3000, epochs=6),
    on_digits("shake_shake_26_2x32d", images=4000, size=14, epochs=5),
    on_photos("fasternet_t0", epochs=6),
    on_photos("fleetnet", images=10_000, lr=0.2),
)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.net)
def test_family_trains(
    run: ShortRun, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = some_of(open_data(f"{run.data}:{data_dir / run.data}"), run.images)
    preprocess = replace(PIXELS[run.data], **run.pixels)
    start = time.process_time()
    seed_everything(run.recipe.seed)
    net = create(run.net, num_classes=10, in_chans=preprocess.channels, **run.options)
    plan = make_plan(net, data, run.recipe, preprocess=preprocess, folder=tmp_path, threads=1)
    result = train(net, data, run.recipe, plan=plan, folder=tmp_path, preprocess=preprocess)
    minutes = (time.process_time() - start) / 60
    found = {"top1": result.val_top1, "cpu_minutes": round(minutes, 2), "data": run.data}
    stored = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("FLEETFOOT_ACCEPT"):
        stored[run.net] = found
        GOLDEN.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
    with capsys.disabled():
        print(f"\n{run.net}: {result.val_top1:.1%} on {run.data}, {minutes:.1f} CPU minutes")  # noqa: T201  the point of it
    baseline = BASELINE[run.data]
    assert result.val_top1 >= baseline + min(MARGIN, (1 - baseline) / 3)
    assert abs(result.val_top1 - stored[run.net]["top1"]) <= TOLERANCE


def test_every_family_has_a_run() -> None:
    """AlexNet's family is trained through the small networks of its authors.

    `BINARY_RESIDUAL` have none: in three minutes they stay below the border, and more would not be
    short. Claims train the first of them; the others wait for a run of hours.
    """
    trained = {entry(run.net).family for run in RUNS}
    assert {item.family for item in entries()} - trained <= {"alexnet", *BINARY_RESIDUAL}
    minutes = [json.loads(GOLDEN.read_text())[run.net]["cpu_minutes"] for run in RUNS]
    assert sum(minutes) <= 1.1 * len(RUNS)  # about a minute each


def some_of(data: Data, images: int) -> Data:
    """Return the data with the first images of each split, which are in random order."""
    return replace(data, train=_first(data.train, images), val=_first(data.val, VAL_IMAGES))


def _first(split: Split, images: int) -> Split:
    return replace(split, samples=split.samples[:images])
