"""GradInit: a faster start with and without batch norm, and one from weights that are broken.

Paper    Zhu et al., NeurIPS 2021, arXiv:2102.08098; its figures are remembered, not read
Letters  N images
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, Effort, compared, points, rows
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.training import Outcome
from fleetfoot.core.surgery import swap_modules
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.train.recipe import Recipe

CHANCE = 10.0  # percent right
WHOLE, BREAKS = "1", ("0.5", "2")  # factors on every weight of a network that would train
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


# Of each of three stages of the residual network.
BLOCKS: dict[Scale, int] = {"smoke": 1, "cpu": 5, "long": 18, "gpu": 18}

# For networks without norms ("bare") and with them ("normed"), and for broken weights.
FULL = {
    "bare": Learning(390, 128, 0.05),
    "normed": Learning(390, 128, 0.001),
    "broken": Learning(390, 128, 0.03),
}
LEARNING: dict[Scale, dict[str, Learning]] = {
    "smoke": {
        "bare": Learning(3, 16, 0.05),
        "normed": Learning(3, 16, 0.004),
        "broken": Learning(3, 16, 0.03),
    },
    "cpu": {
        "bare": Learning(80, 64, 0.05),
        "normed": Learning(80, 64, 0.005),
        "broken": Learning(100, 64, 0.03),
    },
    "long": FULL,
    "gpu": FULL,
}


def residual(way: str, scale: Scale) -> nn.Module:
    """Return a residual network by He's weights; a bare one has biases of 0 instead of norms."""
    net = ResNetCifar(ResNetCifarSpec(blocks=BLOCKS[scale]), 10)
    if way == "normed":
        return net
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
    return swap_modules(net, (nn.BatchNorm2d,), lambda *_: nn.Identity()).model


def at_constant_rate(way: str, scale: Scale) -> Recipe:
    """Return the paper's recipe at a constant rate."""
    batch = 128 if scale in ("long", "gpu") else 64
    size = STARTS.effort(Setting(scale=scale)).size or 32
    return plain_recipe(
        batch=batch,
        optimizer="sgd",
        nesterov=False,
        lr=0.1 * batch / 128,
        weight_decay=1e-4,
        clip_norm=None if way == "normed" else 1.0,
        augment={"crop": "pad", "pad": size // 8, "flip": 0.5},
    )


STARTS = Comparison(
    network=residual,
    recipe=at_constant_rate,
    efforts={
        "smoke": Effort(seeds=1, epochs=1, size=8, train_images=100, test_images=100),
        "cpu": Effort(seeds=3, epochs=1, size=16, train_images=5000, test_images=4000),
        "gpu": Effort(seeds=5, epochs=1, size=32),
    },
)


def plain(factor: str, _: Scale) -> nn.Module:
    """Return 20 layers of 64 ReLUs without shortcuts or norms, He's weights times a factor."""
    widths = [28 * 28, *[WIDTH] * DEPTH]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    net = he_weights(nn.Sequential(*layers, nn.Linear(WIDTH, 10)))
    for module in net.modules():
        if isinstance(module, nn.Linear):
            module.weight.data.mul_(float(factor))
    return net


REPAIRS = Comparison(
    network=plain,
    recipe=plain_recipe(batch=50, optimizer="sgd", lr=0.005, precision="float32", layout="nchw"),
    efforts={
        "smoke": Effort(seeds=1, epochs=1, size=28, train_images=100, test_images=100),
        "cpu": Effort(seeds=3, epochs=1, size=28, train_images=30_000, test_images=4000),
        "gpu": Effort(seeds=5, epochs=1, size=28, train_images=50_000),
    },
    data="mnist",
)


def by(learning: Learning, images: int | None, *, longer: bool) -> dict[str, Any]:
    """Return what GradInit changes in a recipe, or a ``longer`` training that reads as much."""
    if longer:
        return {"epochs": 1 + learning.epochs(images or CIFAR10_IMAGES)}
    return {"methods": (learning.word,)}


@measured
def faster_start(setting: Setting, way: str, *, longer: bool = False) -> Measurement:
    """Return the points more that are right after the first epoch.

    Args:
        way: of `STARTS`.
        longer: instead of GradInit an ordinary start that reads as many images.
    """
    images = STARTS.effort(setting).train_images
    changes = by(LEARNING[setting.scale][way], images, longer=longer)
    old = STARTS.trainings(way, setting)
    new = STARTS.trainings(way, setting, **changes)
    return compared(old, new, names=("He's weights", "longer" if longer else "GradInit"))


@measured
def regained(setting: Setting, *, longer: bool = False) -> Measurement:
    """Return the share of what He's weights reach that broken ones reach."""
    images = REPAIRS.effort(setting).train_images
    changes = by(LEARNING[setting.scale]["broken"], images, longer=longer)
    whole = REPAIRS.trainings(WHOLE, setting)
    table = list(rows("He's weights", whole))
    shares: list[list[float]] = []
    for factor in BREAKS:
        mended = REPAIRS.trainings(factor, setting, **changes)
        table += rows(f"times {factor}" + ", GradInit" * (not longer), mended)
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
    "remembered, for ResNet-110. At the cpu scale a ResNet-32 and 80 iterations of 64 of "
    "1,000 images; at the long and gpu scales ResNet-110 and 390 iterations of 128, about half an "
    "hour on an accelerator. Reproduced from half the paper's points, partly from 5, beyond what "
    "seeds alone give here."
)

SHARED: dict[str, Any] = {
    "paper": f"{PAPER}, Figure 1 and Table 1",
    "unit": "points",
    "footing": everywhere("scaled"),
    "needs": STARTS.needs(),
}

CLAIMS = (
    Claim(
        id="gradinit/without-norms",
        sentence="Without batch norm a deep residual network gets 20 points more right after one "
        "epoch when GradInit scales its first weights.",
        protocol=PROTOCOL.format("without norms, gradients clipped to 1"),
        paper_value=20.1,
        measure=faster_start("bare"),
        rule=at_least(10.05, 5.0),
        control=Control(
            "ordinary training on as many images more as GradInit reads",
            faster_start("bare", longer=True),
        ),
        **SHARED,
    ),
    Claim(
        id="gradinit/with-norms",
        sentence="With batch norm a deep residual network gets 15 points more right after one "
        "epoch when GradInit scales its first weights.",
        protocol=PROTOCOL.format("with batch norms"),
        paper_value=15.0,
        measure=faster_start("normed"),
        rule=at_least(7.5, 5.0),
        control=Control(
            "ordinary training on as many images more as GradInit reads",
            faster_start("normed", longer=True),
        ),
        **SHARED,
    ),
    Claim(
        id="gradinit/broken-start",
        paper=f"{PAPER}, abstract",
        sentence="GradInit makes a deep plain network trainable, without norms or shortcuts, whose "
        "first weights have the wrong size.",
        protocol="20 layers of 64 ReLUs on MNIST, He's weights times 0.5 and times 2; 100 "
        "iterations of GradInit on batches of 64 (390 of 128 at the long and gpu scales), then "
        "one epoch. The value is what is right "
        "above chance, as a share of what He's weights themselves reach, the mean of both factors. "
        "Reproduced from 90 %, partly from 50 %; the paper gives no figure.",
        unit="% of what is reached from weights of the right size",
        measure=regained(),
        rule=at_least(90.0, 50.0),
        control=Control(
            "the broken weights are trained on as many images as GradInit reads",
            regained(longer=True),
        ),
        footing=everywhere("stand-in"),
        needs=REPAIRS.needs(),
    ),
)
