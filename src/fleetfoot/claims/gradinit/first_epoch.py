"""GradInit: a faster start with and without batch norm, and one from weights that are broken.

Paper    Zhu et al., NeurIPS 2021, arXiv:2102.08098; its figures are remembered, not read
Letters  N images
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Scale, Setting
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.claims.training_gain import gain, outcomes, points, rows
from fleetfoot.core.surgery import swap_modules
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec

CHANCE = 10.0  # percent right
BREAKS = (0.5, 2.0)  # factors on every weight of a network that would train
CIFAR10_IMAGES = 45_000  # that are trained on
DEPTH, WIDTH = 20, 64  # of the plain network


class Learning(NamedTuple):
    """How GradInit is run: iterations, images of a batch, learning rate of the factors."""

    iterations: int
    batch: int
    lr: float

    @property
    def word(self) -> str:
        """The method's word in a recipe."""
        return f"gradinit:iterations={self.iterations},batch={self.batch},lr={self.lr:g}"

    def epochs(self, images: int) -> int:
        """Return how many passes over the images read as much as it does, rounded up."""
        return -(-self.iterations * self.batch * 3 // 2 // images)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What is trained at a scale.

    Attributes:
        blocks: of each of three stages of the residual network.
        size: side of the images, pixels.
        train_images: None for all.
        test_images: None for all.
        plain_images: for the plain network.
        seeds: trainings of each start.
        bare, normed, broken: GradInit for networks without norms, with norms, with broken weights.
    """

    blocks: int
    size: int
    train_images: int | None
    test_images: int | None
    plain_images: int
    seeds: int
    bare: Learning
    normed: Learning
    broken: Learning


EXTENTS: dict[Scale, Extent] = {
    "smoke": Extent(
        blocks=1,
        size=8,
        train_images=100,
        test_images=100,
        plain_images=100,
        seeds=1,
        bare=Learning(3, 16, 0.05),
        normed=Learning(3, 16, 0.004),
        broken=Learning(3, 16, 0.03),
    ),
    "cpu": Extent(
        blocks=5,
        size=16,
        train_images=5000,
        test_images=4000,
        plain_images=30_000,
        seeds=3,
        bare=Learning(80, 64, 0.05),
        normed=Learning(80, 64, 0.005),
        broken=Learning(100, 64, 0.03),
    ),
    "gpu": Extent(
        blocks=18,
        size=32,
        train_images=None,
        test_images=None,
        plain_images=50_000,
        seeds=5,
        bare=Learning(390, 128, 0.05),
        normed=Learning(390, 128, 0.001),
        broken=Learning(390, 128, 0.03),
    ),
}


def residual(blocks: int, *, norms: bool) -> nn.Module:
    """Return a residual network by He's weights; without norms convolutions have biases of 0."""
    net = ResNetCifar(ResNetCifarSpec(blocks=blocks), 10)
    if norms:
        return net
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
    return swap_modules(net, (nn.BatchNorm2d,), lambda *_: nn.Identity()).model


def plain(factor: float) -> nn.Module:
    """Return 20 layers of 64 ReLUs without shortcuts or norms, He's weights times a factor."""
    widths = [28 * 28, *[WIDTH] * DEPTH]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
            module.weight.data.mul_(factor)
    return net


@shared
def started(norms: bool, word: str, epochs: int, seed: int, setting: Setting) -> Outcome:
    """Return a residual network trained at a constant rate, from first weights by a word or ""."""
    extent = EXTENTS[setting.scale]
    batch = 128 if setting.scale == "gpu" else 64
    recipe = plain_recipe(
        epochs=epochs,
        batch=batch,
        optimizer="sgd",
        nesterov=False,
        lr=0.1 * batch / 128,
        weight_decay=1e-4,
        clip_norm=None if norms else 1.0,
        augment={"crop": "pad", "pad": extent.size // 8, "flip": 0.5},
        methods=(word,) if word else (),
    )
    return train_once(
        lambda: residual(extent.blocks, norms=norms),
        setting,
        recipe=recipe,
        seed=seed,
        size=extent.size,
        train_images=extent.train_images,
        test_images=extent.test_images,
    )


@shared
def repaired(factor: float, word: str, epochs: int, seed: int, setting: Setting) -> Outcome:
    """Return the plain network trained on MNIST from weights times a factor."""
    extent = EXTENTS[setting.scale]
    recipe = plain_recipe(
        epochs=epochs,
        batch=50,
        optimizer="sgd",
        lr=0.005,
        precision="float32",
        layout="nchw",
        methods=(word,) if word else (),
    )
    return train_once(
        lambda: plain(factor),
        setting,
        data="mnist",
        recipe=recipe,
        seed=seed,
        size=28,
        channels=1,
        train_images=extent.plain_images,
        test_images=extent.test_images,
    )


def faster_start(*, norms: bool) -> Callable[[Setting], Measurement]:
    """Return the measurement of the points more that are right after the first epoch."""

    def measured(setting: Setting) -> Measurement:
        extent = EXTENTS[setting.scale]
        word = (extent.normed if norms else extent.bare).word
        return _over_first_epoch(setting, norms, "GradInit", word, 1)

    return measured


def longer_training(*, norms: bool) -> Callable[[Setting], Measurement]:
    """Return the same measurement of an ordinary start that reads as many images as GradInit."""

    def measured(setting: Setting) -> Measurement:
        extent = EXTENTS[setting.scale]
        learning = extent.normed if norms else extent.bare
        more = 1 + learning.epochs(extent.train_images or CIFAR10_IMAGES)
        return _over_first_epoch(setting, norms, "longer", "", more)

    return measured


def _over_first_epoch(
    setting: Setting, norms: bool, name: str, word: str, epochs: int
) -> Measurement:
    """Return the points that a training gains over one epoch from He's weights."""
    seeds = EXTENTS[setting.scale].seeds
    old = outcomes(lambda seed: started(norms, "", 1, seed, setting), seeds)
    new = outcomes(lambda seed: started(norms, word, epochs, seed, setting), seeds)
    return gain(old, new, names=("He's weights", name))


def regained(setting: Setting) -> Measurement:
    """Return the share of what He's weights reach above chance that broken ones reach by it."""
    return _regained(setting, EXTENTS[setting.scale].broken.word, 1)


def regained_by_training(setting: Setting) -> Measurement:
    """Return the share that they reach by as many images of ordinary training."""
    extent = EXTENTS[setting.scale]
    return _regained(setting, "", 1 + extent.broken.epochs(extent.plain_images))


def _regained(setting: Setting, word: str, epochs: int) -> Measurement:
    seeds = EXTENTS[setting.scale].seeds
    whole = outcomes(lambda seed: repaired(1.0, "", 1, seed, setting), seeds)
    table = list(rows("He's weights", whole))
    shares: list[list[float]] = []
    for factor in BREAKS:
        mended = outcomes(
            lambda seed, factor=factor: repaired(factor, word, epochs, seed, setting), seeds
        )
        table += rows(f"times {factor:g}" + (", GradInit" if word else ""), mended)
        pairs = zip(mended, whole, strict=True)
        shares.append([100 * _above_chance(a) / max(_above_chance(b), 1.0) for a, b in pairs])
    found = points(sum(both) / len(BREAKS) for both in zip(*shares, strict=True))
    return replace(found, table=tuple(table))


def _above_chance(outcome: Outcome) -> float:
    return 100 - outcome.test_error - CHANCE


PAPER = "arXiv:2102.08098"
PROTOCOL = (
    "A residual network {} on CIFAR-10, trained for one epoch at the constant rate of the paper "
    "from He's weights and from those that GradInit scales (the released rule, SGD with a "
    "normalised step of 0.1, bound 1). The value is the points more that are right; the figure is "
    "remembered, for ResNet-110. At the cpu scale a ResNet-32 at 16 px, 5,000 images, 80 "
    "iterations of 64 of 1,000 images, 4,000 test images, 3 seeds: a stand-in, so partly at best. "
    "At the gpu scale ResNet-110, all images, 390 iterations of 128, 5 seeds: about half an hour. "
    "Reproduced from half the paper's points, partly from {}, beyond what seeds alone give here."
)

CLAIMS = (
    Claim(
        id="gradinit/without-norms",
        paper=f"{PAPER}, Figure 1 and Table 1",
        sentence="Without batch norm a deep residual network gets 20 points more right after one "
        "epoch when GradInit scales its first weights.",
        protocol=PROTOCOL.format("without norms, gradients clipped to 1", "5"),
        unit="points",
        paper_value=20.1,
        measure=faster_start(norms=False),
        rule=at_least(10.05, 5.0),
        control=Control(
            "ordinary training on as many images more as GradInit reads",
            longer_training(norms=False),
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
    Claim(
        id="gradinit/with-norms",
        paper=f"{PAPER}, Figure 1 and Table 1",
        sentence="With batch norm a deep residual network gets 15 points more right after one "
        "epoch when GradInit scales its first weights.",
        protocol=PROTOCOL.format("with batch norms", "5"),
        unit="points",
        paper_value=15.0,
        measure=faster_start(norms=True),
        rule=at_least(7.5, 5.0),
        control=Control(
            "ordinary training on as many images more as GradInit reads",
            longer_training(norms=True),
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
    Claim(
        id="gradinit/broken-start",
        paper=f"{PAPER}, abstract",
        sentence="GradInit makes a deep plain network trainable, without norms or shortcuts, whose "
        "first weights have the wrong size.",
        protocol="20 layers of 64 ReLUs on MNIST, 30,000 images (50,000 at the gpu scale), He's "
        "weights times 0.5 and times 2; 100 iterations of GradInit on batches of 64 (390 of 128), "
        "then one epoch; 4,000 test images, 3 seeds. The value is what is right above chance, as "
        "a share of what He's weights themselves reach, the mean of both factors. Reproduced from "
        "90 %, partly from 50 %; the paper gives no figure.",
        unit="% of what is reached from weights of the right size",
        paper_value=None,
        measure=regained,
        rule=at_least(90.0, 50.0),
        control=Control(
            "the broken weights are trained on as many images as GradInit reads",
            regained_by_training,
        ),
        needs=Needs(data=("mnist",)),
        scales=("smoke", "cpu", "gpu"),
    ),
)
