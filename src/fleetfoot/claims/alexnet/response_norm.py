"""AlexNet, section 3.3: what response normalisation is worth on CIFAR-10, in a fair comparison.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3.3: 13 % test error without, 11 % with.
         The layer files of these two networks differ in more than that: the 11 % net has twice the
         filters in its third layer. So each is trained with and without normalisation
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.claims.training_gain import Extent, gain, outcomes
from fleetfoot.nets.create import create
from fleetfoot.ops.local_response_norm import LocalResponseNorm

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.train.recipe import Recipe

PAIRS = {"13": ("13", "13_lrn"), "11": ("11_no_lrn", "11")}  # without, with
SIDE = 24  # of the crops

EXTENTS = {
    "smoke": Extent(train_images=100, test_images=100, epochs=1, seeds=1),
    "cpu": Extent(train_images=2000, test_images=1500, epochs=4, seeds=2),
    "gpu": Extent(train_images=None, epochs=120, seeds=5),
}
# Pixels in 0-255 units, for which the files draw the first weights, and crops of 24 from 32.
PIXELS = {"std": (1.0, 1.0, 1.0), "crop_fraction": SIDE / 32}


def recipe_for(setting: Setting) -> "Recipe":
    """Return the files' recipe: a tenth of the rate for the last tenth of the time."""
    return plain_recipe(
        epochs=EXTENTS[setting.scale].epochs,
        batch=128 if setting.scale == "gpu" else 32,
        lr=0.001,
        bias_lr=2.0,
        weight_decay=0.001,
        milestones=(0.9,),
        augment={"crop": "inside", "flip": 0.5},
    )


def net_of(member: str, *, idle: bool) -> nn.Module:
    """Return a network of the family; with ``idle`` its normalisation divides by 1."""
    net = create(f"cuda_convnet_{member}", num_classes=10)
    for module in net.modules():
        if isinstance(module, LocalResponseNorm) and idle:
            module.alpha = 0.0
    return net


@shared
def trained(member: str, idle: bool, seed: int, setting: Setting) -> Outcome:
    """Return one training of a network of the family."""
    extent = EXTENTS[setting.scale]
    return train_once(
        lambda: net_of(member, idle=idle),
        setting,
        recipe=recipe_for(setting),
        seed=seed,
        train_images=extent.train_images,
        test_images=extent.test_images,
        size=SIDE,
        pixels=PIXELS,
    )


def by_norm(*, idle: bool) -> Callable[[Setting], Measurement]:
    """Return the measurement of how far the error falls with normalisation, mean of both pairs."""

    def measured(setting: Setting) -> Measurement:
        seeds = EXTENTS[setting.scale].seeds
        before: list[Outcome] = []
        after: list[Outcome] = []
        for without, normed in PAIRS.values():
            before += outcomes(lambda seed, net=without: trained(net, False, seed, setting), seeds)
            after += outcomes(
                lambda seed, net=normed: trained(net, idle, seed, setting), seeds, other=idle
            )
        names = "without normalisation", "alpha 0" if idle else "with normalisation"
        return gain(before, after, names=names)

    return measured


CLAIMS = (
    Claim(
        id="alexnet/response-norm-error",
        paper="NIPS 2012, section 3.3",
        sentence="Response normalisation lowers the test error of a four-layer network on "
        "CIFAR-10 from 13 to 11 %.",
        protocol="Four networks of cuda-convnet, so that nothing but the normalisation differs "
        "inside a pair: the 13 % net and the same with it, the 11 % net without it and as it is; "
        "the mean of both differences, one of each seed. Random 24-pixel crops and flips, the "
        "centre judges; the files' rates, and one weight decay of 0.001 in place of theirs, which "
        "differ by layer. At the cpu scale 2,000 images for 4 epochs, 2 seeds, which cannot decide "
        "it. The gpu scale decides: all 45,000 images for 120 epochs, 5 seeds; 20 networks of "
        "0.3 G MACs and step, bound by the making of crops: about 2 hours on an H100.",
        unit="points of test error",
        paper_value=2.0,
        measure=by_norm(idle=False),
        rule=at_least(2.0, 0.5),
        control=Control(
            "the same layers divide by 1 (their alpha is 0), from other seeds", by_norm(idle=True)
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
        decides_at=("gpu",),
    ),
)
