"""Frequency Dropout on CIFAR-10: against the same network without, on clean and damaged images.

Paper    Islam, Glocker, ECCV 2022 workshops, arXiv:2209.09844; no table of it could be read, the
         figure is that of a summary
Letters  N images, H height, W width
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, Effort, named, points, rows
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import FITS, at_least
from fleetfoot.core.seeds import rng
from fleetfoot.data.samples import Split
from fleetfoot.data.source import ArrayReader
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.train.recipe import Recipe

Image = NDArray[np.floating[Any]]  # (H, W, 3), 0 to 255

NOISE = 20.0  # deviation, of 255
STRIPES = 30.0  # height
WITHOUT, WITH = "without", "with frequency_dropout"


def blurred(image: Image, _: np.random.Generator) -> Image:
    """Return the means of 3x3 squares, edges repeated."""
    height, width, _channels = image.shape
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    parts = [padded[r : r + height, c : c + width] for r in range(3) for c in range(3)]
    return np.mean(parts, axis=0)


def noisy(image: Image, draw: np.random.Generator) -> Image:
    """Return the image with normal noise on every value."""
    return image + NOISE * draw.standard_normal(image.shape)


def striped(image: Image, _: np.random.Generator) -> Image:
    """Return the image with every second column lighter and the others darker."""
    return image + STRIPES * (-1.0) ** np.arange(image.shape[1])[None, :, None]


def sharpened(image: Image, draw: np.random.Generator) -> Image:
    """Return the image with its high frequencies twice as strong."""
    return 2 * image - blurred(image, draw)


DAMAGES: Mapping[str, Callable[[Image, np.random.Generator], Image]] = {
    "blur": blurred,
    "noise": noisy,
    "stripes": striped,
    "sharpening": sharpened,
}


def network(_: str, scale: Scale) -> nn.Module:
    """Return a ResNet-8; at the gpu scale a ResNet-18 for small images, at long half as wide."""
    small = ResNetCifarSpec(blocks=1, channels=(16, 32, 64))
    specs = {
        "long": ResNetCifarSpec(blocks=2, channels=(32, 64, 128, 256)),
        "gpu": ResNetCifarSpec(blocks=2, channels=(64, 128, 256, 512)),
    }
    return ResNetCifar(specs.get(scale, small), 10)


def recipe(way: str, _: Scale) -> Recipe:
    """Return one recipe, with the method or without, for all scales."""
    return plain_recipe(
        batch=64,
        optimizer="sgd",
        schedule="cosine",
        lr=0.1,
        weight_decay=5e-4,
        warmup=0.1,
        methods=("frequency_dropout",) if way == WITH else (),
    )


NETS = Comparison(
    network=network,
    recipe=recipe,
    efforts={
        "cpu": Effort(seeds=3, epochs=8, size=32, train_images=3000, test_images=2000),
        "long": Effort(seeds=5, epochs=40, size=32),
        "gpu": Effort(seeds=3, epochs=40, size=32),
    },
)


@measured
def gain_on_damaged(setting: Setting, after: str, *, other_seeds: bool = False) -> Measurement:
    """Return how many points it falls on damaged images, the mean of them."""
    means: list[list[float]] = []
    table: list[Mapping[str, Any]] = []
    for way, other in ((WITHOUT, False), (after, other_seeds)):
        found = NETS.trainings(way, setting, other_seeds=other)
        errors = [damaged_errors(outcome.net, setting) for outcome in found]
        means.append([float(np.mean(list(by_damage.values()))) for by_damage in errors])
        table += [
            {**row, **by_damage}
            for row, by_damage in zip(rows(named(way, other), found), errors, strict=True)
        ]
    falls = points(old - new for old, new in zip(*means, strict=True))
    return replace(falls, table=tuple(table))


def damaged_errors(net: nn.Module, setting: Setting) -> dict[str, float]:
    """Return the percentage of the damaged test images that a network gets wrong, by damage."""
    return {
        name: round(NETS.error_of(net, WITHOUT, setting, images=damaged(name, setting)), 3)
        for name in DAMAGES
    }


def damaged(name: str, setting: Setting) -> Split:
    """Return the test images with a damage, rounded and cut to 0 to 255 again."""
    whole = NETS.judges(setting)
    changed = [
        DAMAGES[name](whole.read(place).astype(np.float32), rng(0, "damage", name, place))
        for place in range(len(whole))
    ]
    stack_NHWC = np.clip(np.rint(np.stack(changed)), 0, 255).astype(np.uint8)
    return Split(whole.name, whole.samples, ArrayReader({"test": stack_NHWC}))


PAPER = "arXiv:2209.09844"
PROTOCOL = (
    "The same network with and without random filters behind every 3x3 convolution, drawn again in "
    "every step; evaluated without filters, norms recalibrated without them. No augmentation, "
    "as in the released code; last weights, which the code does not take. {} At the cpu scale a "
    "ResNet-8; at the gpu scale a ResNet-18, half a cosine instead of the paper's 300 epochs in "
    "steps, about half an hour on an accelerator; at the long scale half of its channels, about 5 "
    "hours a training. Verdict: {}"
)

CLAIMS = (
    Claim(
        id="frequencydropout/accuracy",
        paper=PAPER,
        sentence="Random filters of the feature maps in training make a network 2 to 3 points more "
        "accurate.",
        protocol=PROTOCOL.format(
            "The figure is of a summary, over several data sets.",
            "reproduced from 2 points, partly from 1.5, beyond what seeds alone give here.",
        ),
        unit="points",
        paper_value=2.0,
        measure=NETS.gain(WITHOUT, WITH),
        rule=at_least(2.0, 1.5),
        control=NETS.chance(WITHOUT, "nothing is filtered: the same network"),
        footing=everywhere("scaled"),
        needs=NETS.needs(FITS),
    ),
    Claim(
        id="frequencydropout/damaged-images",
        paper=PAPER,
        sentence="A network trained with random filters errs less on images of another kind.",
        protocol=PROTOCOL.format(
            "Instead of other scanners and domains: the test images blurred, with noise, with "
            "stripes, sharpened; the value is the mean over them of the points gained. The paper's "
            "figures could not be read.",
            "reproduced from 3 points, partly from 1.5.",
        ),
        unit="points",
        measure=gain_on_damaged(WITH),
        rule=at_least(3.0, 1.5),
        control=Control(
            "nothing is filtered: the same network with other seeds",
            gain_on_damaged(WITHOUT, other_seeds=True),
        ),
        footing=everywhere("stand-in"),
        needs=NETS.needs(FITS),
    ),
)
