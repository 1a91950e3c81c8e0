"""Shake-Shake: shaken branches against a plain sum, and what a half does at evaluation.

Paper    Gastaldi, arXiv:1705.07485, table 1 and section 2.1
Letters  N images, C classes
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, points
from fleetfoot.claims.regularisers.small_resnet import EFFORTS, recipe
from fleetfoot.claims.rules import FITS, at_least, at_most
from fleetfoot.claims.training import error_of, images_at
from fleetfoot.claims.training_images import normalised
from fleetfoot.nets.shake_shake import ShakeShakeNet, ShakeShakeSpec
from fleetfoot.ops.shake_shake import ShakeShake

EVEN, SHAKE = "even/even", "shake/shake"  # how shares are drawn forward and backward
DRAWS = 16  # shaken answers that are averaged
JUDGES = 2000  # images for them


SPECS: dict[Scale, ShakeShakeSpec] = {
    "smoke": ShakeShakeSpec(width=4, blocks=1),
    "cpu": ShakeShakeSpec(width=16, blocks=1),
    "long": ShakeShakeSpec(width=16, blocks=2),
    "gpu": ShakeShakeSpec(width=32),  # the published 26 2x32d
}


def network(way: str, scale: Scale) -> nn.Module:
    """Return a network with the words of a way for forward and backward shares."""
    forward, backward = way.split("/")
    return ShakeShakeNet(SPECS[scale], 10, forward_share=forward, backward_share=backward)  # pyright: ignore[reportArgumentType]


WAYS = Comparison(network=network, recipe=recipe, efforts=EFFORTS)


@measured
def distance(setting: Setting, share: float) -> Measurement:
    """Return how far a fixed share at evaluation errs from shaken answers.

    The value is the difference between the error with that share and that of the mean over
    `DRAWS` shaken answers, in points, without its sign.
    """
    rows: list[dict[str, Any]] = []
    images, labels = judges(setting)
    for seed, net in enumerate(outcome.net for outcome in WAYS.trainings(SHAKE, setting)):
        with torch.no_grad():
            fixed = error_of(at_share(net, share, images), labels)
            mean = torch.stack([shaken(net, images, draw) for draw in range(DRAWS)]).mean(dim=0)
        rows.append(
            {
                "training": seed,
                "share": share,
                "fixed_error_percent": round(fixed, 3),
                "shaken_error_percent": round(error_of(mean, labels), 3),
            }
        )
    apart = [abs(row["fixed_error_percent"] - row["shaken_error_percent"]) for row in rows]
    return replace(points(apart), table=tuple(rows))


def judges(setting: Setting) -> tuple[Tensor, Tensor]:
    """Return normalised test images (N, C, H, W) and their labels."""
    split = images_at(setting, "cifar10", "test", JUDGES)
    x = normalised(split, WAYS.preprocess(setting), range(len(split)))
    return x, torch.from_numpy(split.labels)


def at_share(net: nn.Module, share: float, images: Tensor) -> Tensor:
    """Return the probabilities of a network whose first branches count a fixed share, (N, C)."""
    hooks = [
        module.register_forward_hook(
            lambda _, branches, __: share * branches[0] + (1 - share) * branches[1]
        )
        for module in net.modules()
        if isinstance(module, ShakeShake)
    ]
    try:
        return _answers(net, images)
    finally:
        for hook in hooks:
            hook.remove()


def shaken(net: nn.Module, images: Tensor, draw: int) -> Tensor:
    """Return the probabilities of a network that shakes as in training, (N, C)."""
    mixes = [module for module in net.modules() if isinstance(module, ShakeShake)]
    torch.manual_seed(draw)
    for mix in mixes:
        mix.train()
    found = _answers(net, images)
    for mix in mixes:
        mix.eval()
    return found


def _answers(net: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([net(part).softmax(dim=1) for part in images.split(250)])


PROTOCOL = (
    "{} At the cpu scale two branches of 16, 32 and 64 channels, one block a stage, on "
    "images of CIFAR-10, mirrored but not cropped. At the long scale two blocks a stage, with "
    "crops. At the gpu scale 26 2x32d, with crops: 13 P MACs a training, about 20 minutes each on "
    "an H100; the paper trains 1,800 epochs."
)
FOOTING = everywhere("scaled")  # smaller networks, or fewer epochs than the paper's

CLAIMS = (
    Claim(
        id="regularisers/shake-shake",
        paper="Regularisers: Gastaldi, arXiv:1705.07485, table 1: 26 2x32d, image level, 4.27 to "
        "3.55 %",
        sentence="Shares shaken forward and backward take 0.72 points from the error of even ones.",
        protocol=PROTOCOL.format("Both networks have two branches; one share an image.")
        + " A short training may hide or turn the gain: the cpu scale does not decide.",
        unit="points of test error",
        paper_value=0.72,
        measure=WAYS.gain(EVEN, SHAKE),
        rule=at_least(0.72, 0.5),
        control=WAYS.chance(EVEN, "no share is shaken: even ones against themselves"),
        footing=FOOTING,
        needs=WAYS.needs(FITS),
        decides_at=("gpu",),
    ),
    Claim(
        id="regularisers/shake-shake-half",
        paper="ours, after Regularisers: Gastaldi, arXiv:1705.07485, section 2.1",
        sentence="A half for each branch at evaluation stands for the random shares of training.",
        protocol=PROTOCOL.format(
            f"The error with a half is compared with that of the mean over {DRAWS} shaken answers, "
            f"on {JUDGES:,} test images. The paper gives no figure; half a point is what these "
            "images tell apart."
        ),
        unit="points of test error, either way",
        measure=distance(0.5),
        rule=at_most(0.5, 1.0),
        control=Control("the first branch alone is heard, whose share is 1", distance(1.0)),
        footing=FOOTING,
        needs=WAYS.needs(None),
    ),
)
