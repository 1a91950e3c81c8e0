"""EfficientNet, Table 3: growing depth, width and size together against growing one of them.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, Table 3, the rows of ResNet-50
Departs  a ResNet of 14 layers on CIFAR-10, which starts at 16 of the images' 32 px so that a
         larger size shows more; all four grow to four times the multiply-adds, as ResNet-50's do
Letters  N images, C channels, H height, W width
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from fleetfoot.claims.arms import Arm, Effort, effort_at, lead, rows, trained
from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Scale, Setting
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.nets.compound_scaling import ScaledNet, scaled
from fleetfoot.nets.resnet_cifar import ResNetCifarSpec

EFFORTS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=4, size=16, train_images=5000, test_images=5000),
    "gpu": Effort(seeds=3, epochs=60, size=16),
}


class Factors(NamedTuple):
    """What is multiplied by how much."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0


SINGLE = {
    "depth": Factors(depth=4),
    "width": Factors(width=2),
    "resolution": Factors(resolution=2),
}
ARMS = {
    **SINGLE,
    "compound": Factors(depth=1.5, width=1.3, resolution=1.25),
    "unbalanced": Factors(depth=7, width=1.0, resolution=0.75),
}
CHANNELS: dict[Scale, tuple[int, ...]] = {
    "smoke": (4, 8),
    "cpu": (8, 16, 32),
    "gpu": (16, 32, 64),
}


def grown(name: str, setting: Setting) -> ScaledNet:
    """Return the network of an arm and its size."""
    size = effort_at(setting, EFFORTS).size
    spec = ResNetCifarSpec(blocks=2, channels=CHANNELS[setting.scale])
    base = ScaledNet(spec, (3, size, size), "resnet20_cifar")
    return scaled(base, **ARMS[name]._asdict())


@shared
def arm(name: str, setting: Setting) -> Arm:
    """Return an arm, trained at its own size with the recipe of He et al. for CIFAR-10."""
    from fleetfoot.data.augment import Augment
    from fleetfoot.train.recipe import Recipe

    net = grown(name, setting)
    effort = replace(effort_at(setting, EFFORTS), size=net.input[-1])
    recipe = Recipe(
        batch=64,
        optimizer="sgd",
        lr=0.1,
        weight_decay=1e-4,
        schedule="steps",
        warmup=0.0,
        label_smoothing=0.0,
        augment=Augment(crop="pad", pad=effort.size // 8),
    )
    return trained(name, lambda: net.create(10), setting, recipe=recipe, effort=effort)


def lead_over_single(name: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of an arm's lead over the best of those that grew in one way."""

    def measured(setting: Setting) -> Measurement:
        single = [arm(other, setting) for other in SINGLE]
        best = min(single, key=lambda other: other.mean_error)
        found = arm(name, setting)
        return replace(
            lead(found, best), table=rows(found, *single), note=f"the best single: {best.name}"
        )

    return measured


CLAIMS = (
    Claim(
        id="efficientnet/compound-accuracy",
        paper="arXiv:1905.11946, Table 3",
        sentence="At four times its work ResNet-50 gains most if depth, width and size grow "
        "together: 0.7 points over the best that grows in one way.",
        protocol="A ResNet for CIFAR-10 of 14 layers (8, 16 and 32 channels) at 16 px, grown about "
        "four times in depth (4), in width (2), in size (2), or in all three (1.5, 1.3, 1.25); "
        "SGD 0.1 Nesterov, a tenth at half and at three quarters, shifts and flips; 5,000 images, "
        "four epochs, 5,000 test images, three seeds; against the best of the three on the test "
        "images. At the gpu scale twice the channels, all images, 60 epochs, three seeds: about "
        "10 minutes an arm and seed on one H100, 2 hours in all.",
        unit="points of test error less than the best of three, mean of seeds",
        paper_value=0.7,
        measure=lead_over_single("compound"),
        rule=at_least(0.7, 0.5),
        control=Control(
            "out of balance: seven times the depth at three quarters of the size",
            lead_over_single("unbalanced"),
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
        decides_at=("gpu",),  # seeds differ by as much on so few images
    ),
)
