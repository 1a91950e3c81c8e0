"""AlexNet at a small scale: overlapping pools and colour noise, and the networks they are tried on.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, sections 3.4 and 4.1. Both figures are of
         ImageNet; here the 26 % net of cuda-convnet learns crops of CIFAR-10, with dropout
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.claims.training_gain import Extent, gain, outcomes
from fleetfoot.core.surgery import replaced
from fleetfoot.nets.create import create

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.train.recipe import Recipe

Words = Mapping[str, Any]  # of `Augment`

NET, SIDE = "cuda_convnet_26", 24
EXTENTS = {
    "smoke": Extent(train_images=100, test_images=100, epochs=1, seeds=1),
    "cpu": Extent(train_images=5000, test_images=3000, epochs=10, seeds=3),
    "gpu": Extent(train_images=None, epochs=120, seeds=5),
}
PIXELS = {"crop_fraction": SIDE / 32}  # crops of 24 from 32
AS_PUBLISHED: Words = {"crop": "inside", "flip": 0.5}
WITH_COLOURS: Words = {**AS_PUBLISHED, "colour_pca": "computed"}


def recipe_for(setting: Setting, augment: Words) -> "Recipe":
    """Return AlexNet's recipe in short: its update rule, a tenth of the rate at the end."""
    return plain_recipe(
        epochs=EXTENTS[setting.scale].epochs,
        batch=128 if setting.scale == "gpu" else 32,
        lr=0.01,
        bias_lr=2.0,
        weight_decay=0.0005,
        milestones=(0.8,),
        augment=augment,
    )


def as_published() -> nn.Module:
    """Return the network: pools of 3x3 by steps of 2, dropout before the classifier."""
    return he_weights(create(NET, num_classes=10, size=SIDE, dropout=0.5))


def pools_apart() -> nn.Module:
    """Return the network with pools of 2x2 by steps of 2, which give the same maps."""
    net = replaced(as_published(), nn.MaxPool2d, lambda _: nn.MaxPool2d(2, 2, ceil_mode=True))
    return replaced(net, nn.AvgPool2d, lambda _: nn.AvgPool2d(2, 2, ceil_mode=True))


WAYS: dict[str, tuple[Callable[[], nn.Module], Words]] = {
    "published": (as_published, AS_PUBLISHED),
    "apart": (pools_apart, AS_PUBLISHED),
    "colours": (as_published, WITH_COLOURS),
}


@shared
def trained(way: str, seed: int, setting: Setting) -> Outcome:
    """Return one training in one of `WAYS`; several claims look at those as published."""
    make_net, augment = WAYS[way]
    extent = EXTENTS[setting.scale]
    return train_once(
        make_net,
        setting,
        recipe=recipe_for(setting, augment),
        seed=seed,
        train_images=extent.train_images,
        test_images=extent.test_images,
        size=SIDE,
        pixels=PIXELS,
    )


def gained(without: str, with_it: str, *, other: bool = False) -> Callable[[Setting], Measurement]:
    """Return the measurement of how far the error falls from one of `WAYS` to another.

    Args:
        without: the way that lacks it.
        with_it: the way that has it.
        other: give that one other seeds.
    """

    def measured(setting: Setting) -> Measurement:
        seeds = EXTENTS[setting.scale].seeds
        before = outcomes(lambda seed: trained(without, seed, setting), seeds)
        after = outcomes(lambda seed: trained(with_it, seed, setting), seeds, other=other)
        return gain(before, after, names=(without, with_it + " again" * other))

    return measured


NETWORK = (
    "The 26 % net of cuda-convnet (three 5x5 convolutions, one hidden layer of 64, dropout 0.5) on "
    "random 24-pixel crops and flips of CIFAR-10, with AlexNet's update rule and He's weights, "
    "with which a short training gets further; the centre crop judges."
)
EXTENT = (
    "At the cpu scale 5,000 images for 10 epochs and 3 seeds, judged on 3,000; at the gpu scale "
    "45,000 for 120 epochs, 5 seeds, judged on 10,000"
)
COST = "about 10 minutes a training, bound by the making of crops on one core"
SHARED: dict[str, Any] = {
    "unit": "points of test error",
    "needs": Needs(data=("cifar10",)),
    "scales": ("smoke", "cpu", "gpu"),
}

# Tried at a cpu scale, the same network differed from itself by 0.36 points with other seeds.
POOLS: dict[str, Any] = {**SHARED, "scales": ("smoke", "gpu")}

CLAIMS = (
    Claim(
        id="alexnet/overlapping-pooling-error",
        paper="NIPS 2012, section 3.4",
        sentence="Pools of 3x3 by steps of 2 lower the error by 0.4 points against pools of 2x2 by "
        "steps of 2, which give maps of the same size.",
        protocol=f"{NETWORK} All three pools are replaced, of which two are averages and the "
        f"paper's are maxima; ImageNet's 0.4 points are the paper's. {EXTENT}, which alone "
        "decides: the spread of three short trainings is larger than the effect. 15 trainings, "
        f"{COST}.",
        paper_value=0.4,
        measure=gained("apart", "published"),
        rule=at_least(0.4, 0.2),
        control=Control(
            "both have pools of 2x2, one of them other seeds", gained("apart", "apart", other=True)
        ),
        decides_at=("gpu",),
        **POOLS,
    ),
    Claim(
        id="alexnet/colour-noise",
        paper="NIPS 2012, section 4.1",
        sentence="Noise along the principal axes of the colours of the training images lowers the "
        "error by more than one point.",
        protocol=f"{NETWORK} The axes are computed from the training images, the noise has a tenth "
        f"of their standard deviations, as the author's code has it. {EXTENT}, which alone "
        f"decides: there is no gain to be had before a network over-fits. 15 trainings, {COST}.",
        paper_value=1.0,
        measure=gained("published", "colours"),
        rule=at_least(1.0, 0.3),
        control=Control(
            "no noise in either, one of them has other seeds",
            gained("published", "published", other=True),
        ),
        decides_at=("gpu",),
        **SHARED,
    ),
)
