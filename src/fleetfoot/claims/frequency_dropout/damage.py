"""Frequency Dropout on CIFAR-10: against the same network without, on clean and damaged images.

Paper    Islam, Glocker, ECCV 2022 workshops, arXiv:2209.09844; no table of it could be read, the
         figure is that of a summary
Letters  N images, H height, W width
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fleetfoot.claims.arms import Effort, effort_at
from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Scale, Setting
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, error_of, images_at, logits_of, train_once
from fleetfoot.claims.training_gain import gain, outcomes, points
from fleetfoot.claims.training_images import preprocess_of
from fleetfoot.core.seeds import rng
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.data.samples import Split
    from fleetfoot.train.recipe import Recipe

Image = NDArray[np.floating[Any]]  # (H, W, 3), 0 to 255

EFFORTS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=8, size=32, train_images=3000, test_images=2000),
    "gpu": Effort(seeds=3, epochs=40, size=32),
}
NOISE = 20.0  # deviation, of 255
STRIPES = 30.0  # height
METHOD = "frequency_dropout"


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


def net_of(setting: Setting) -> nn.Module:
    """Return a ResNet-8; at the gpu scale a ResNet-18 for small images."""
    small = ResNetCifarSpec(blocks=1, channels=(16, 32, 64))
    large = ResNetCifarSpec(blocks=2, channels=(64, 128, 256, 512))
    return ResNetCifar(large if setting.scale == "gpu" else small, 10)


@shared
def trained(word: str, seed: int, setting: Setting) -> Outcome:
    """Return one training of `net_of`, without augmentation, by a method's word or ""."""
    effort = effort_at(setting, EFFORTS)
    return train_once(
        lambda: net_of(setting),
        setting,
        recipe=replace(_recipe(effort), methods=(word,) if word else ()),
        seed=seed,
        size=effort.size,
        train_images=effort.train_images,
        test_images=effort.test_images,
    )


def trainings(word: str, setting: Setting, *, other: bool = False) -> list[Outcome]:
    """Return the trainings of a word, one a seed."""
    seeds = effort_at(setting, EFFORTS).seeds
    return outcomes(lambda seed: trained(word, seed, setting), seeds, other=other)


def gained(word: str, *, other: bool = False) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many points the error falls by a method."""

    def measured(setting: Setting) -> Measurement:
        old, new = trainings("", setting), trainings(word, setting, other=other)
        return gain(old, new, names=("without", _named(word, other)))

    return measured


def gained_on_damaged(word: str, *, other: bool = False) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many points it falls on damaged images, the mean of them."""

    def measured(setting: Setting) -> Measurement:
        pairs = zip(trainings("", setting), trainings(word, setting, other=other), strict=True)
        table: list[dict[str, Any]] = []
        gains: list[float] = []
        for number, pair in enumerate(pairs):
            errors = [damaged_errors(outcome.net, setting) for outcome in pair]
            table += [
                {"training": number, "damage": name, "without": errors[0][name],
                 _named(word, other): errors[1][name]}
                for name in DAMAGES
            ]  # fmt: skip
            gains.append(float(np.mean([errors[0][name] - errors[1][name] for name in DAMAGES])))
        return replace(points(gains), table=tuple(table))

    return measured


def _named(word: str, other: bool) -> str:
    return "with other seeds" if other else f"with {word}"


def damaged_errors(net: nn.Module, setting: Setting) -> dict[str, float]:
    """Return the percentage of the damaged test images that a network gets wrong, by damage."""
    effort = effort_at(setting, EFFORTS)
    pixels, recipe = preprocess_of("cifar10", size=effort.size), _recipe(effort)
    found: dict[str, float] = {}
    for name in DAMAGES:
        images = damaged(name, setting, effort)
        logits = logits_of(net, images, pixels, recipe, device="cpu")
        found[name] = round(error_of(logits, logits.new_tensor(images.labels).long()), 3)
    return found


def damaged(name: str, setting: Setting, effort: Effort) -> "Split":
    """Return the test images with a damage, rounded and cut to 0 to 255 again."""
    from fleetfoot.data.samples import Split
    from fleetfoot.data.source import ArrayReader

    whole = images_at(setting, "cifar10", "test", effort.test_images)
    changed = [
        DAMAGES[name](whole.read(place).astype(np.float32), rng(0, "damage", name, place))
        for place in range(len(whole))
    ]
    stack_NHWC = np.clip(np.rint(np.stack(changed)), 0, 255).astype(np.uint8)
    return Split(whole.name, whole.samples, ArrayReader({"test": stack_NHWC}))


def _recipe(effort: Effort) -> "Recipe":
    return plain_recipe(
        epochs=effort.epochs,
        batch=64,
        optimizer="sgd",
        schedule="cosine",
        lr=0.1,
        weight_decay=5e-4,
        warmup=0.1,
    )


PAPER = "arXiv:2209.09844"
PROTOCOL = (
    "The same network with and without random filters behind every 3x3 convolution, drawn anew in "
    "every step; evaluated without filters, batch norms settled without them. No augmentation, as "
    "in the released code; last weights, which the code does not take. {} At the cpu scale a "
    "ResNet-8, 3,000 images of CIFAR-10, 8 epochs, 3 seeds, 2,000 test images: a stand-in, so "
    "partly at best. At the gpu scale a ResNet-18, all images, 40 epochs of half a cosine in place "
    "of 300 in steps: about half an hour. Verdict: {}"
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
        measure=gained(METHOD),
        rule=at_least(2.0, 1.5),
        control=Control(
            "nothing is filtered: the same network with other seeds", gained("", other=True)
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
    Claim(
        id="frequencydropout/damaged-images",
        paper=PAPER,
        sentence="A network trained with random filters errs less on images of another kind.",
        protocol=PROTOCOL.format(
            "In place of other scanners and domains: the test images blurred, with noise, with "
            "stripes, sharpened; the value is the mean over them of the points gained. The paper's "
            "figures could not be read.",
            "reproduced from 3 points, partly from 1.5.",
        ),
        unit="points",
        paper_value=None,
        measure=gained_on_damaged(METHOD),
        rule=at_least(3.0, 1.5),
        control=Control(
            "nothing is filtered: the same network with other seeds",
            gained_on_damaged("", other=True),
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
)
