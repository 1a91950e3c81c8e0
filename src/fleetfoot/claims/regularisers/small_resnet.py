"""Regularisers on a small residual network that over-fits: with and without each of them.

Papers   the survey of Goncalves dos Santos and Papa, ACM Computing Surveys 2022, arXiv:2201.03299,
         lists their figures; each claim names the method's own paper
Letters  N batch, C classes
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Footing, Scale
from fleetfoot.claims.comparison import Comparison, Effort
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import FITS, at_least
from fleetfoot.data.augment import Mix
from fleetfoot.data.loader import Batch
from fleetfoot.data.mix import mix_batch
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context, Metrics, Step, inputs_of, supervised_step

WIDE = (64, 128, 256, 512)  # of ResNet-18, two blocks a stage
NARROW = (32, 64, 128)
SIDES: dict[Scale, int] = {"smoke": 24, "cpu": 24, "long": 32, "gpu": 32}
EFFORTS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=30, size=24, train_images=1500),
    "long": Effort(seeds=3, epochs=100, size=32),
    "gpu": Effort(seeds=3, epochs=200, size=32),
}

# How a way is trained: the words of its recipe, or what stands in for them in a control.
WORDS: dict[str, tuple[str, ...]] = {
    "none": (),
    "mixup": ("mixup:alpha=1",),
    "cutmix": ("cutmix:alpha=1",),
    "cutout": ("cutout",),
    "drop_block": ("drop_block:rate=0.1,block=3",),
}


def network(_: str, scale: Scale) -> nn.Module:
    """Return a ResNet with one block a stage; at the gpu scale one of the shape of ResNet-18."""
    if scale == "gpu":
        return ResNetCifar(ResNetCifarSpec(blocks=2, channels=WIDE), 10)
    channels = tuple(c // 4 for c in NARROW) if scale == "smoke" else NARROW
    return ResNetCifar(ResNetCifarSpec(blocks=1, channels=channels), 10)


def recipe(way: str, scale: Scale) -> Recipe:
    """Return the recipe; the small form has no crops, so that it over-fits within its epochs."""
    small = scale in ("smoke", "cpu")
    return plain_recipe(
        batch=50 if small else 128,
        optimizer="sgd",
        lr=0.05 if small else 0.1,
        weight_decay=5e-4,
        schedule="cosine",
        warmup=0.05,
        augment={"crop": "none" if small else "pad", "pad": 4, "flip": 0.5},
        methods=tuple(_side(word, scale) for word in WORDS.get(way, ())),
    )


def _side(word: str, scale: Scale) -> str:
    """Return the word with a square half as wide as the image, where it has one."""
    return f"cutout:side={SIDES[scale] // 2}" if word == "cutout" else word


def labels_kept(**mixing: float) -> Step:
    """Return the step on mixed images that keep the label of one of the two."""

    def step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        images, labels = inputs_of(batch, context)
        shares = F.one_hot(labels, context.classes).float()
        mix, seed = Mix(**mixing), context.recipe.seed
        images, _ = mix_batch(images, shares, mix, seed=seed, step=context.step)
        with context.autocast():
            logits_NC = net(images)
        loss = F.cross_entropy(logits_NC.float(), labels)
        return loss, {"accuracy": (logits_NC.argmax(dim=1) == labels).float().mean()}

    return step


def middle_cut(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
    """Return the ordinary step on images whose middle is always cut out."""

    def cut(images: Tensor, generator: torch.Generator) -> Tensor:
        del generator
        quarter = images.shape[2] // 4
        images = images.clone()
        images[:, :, quarter : 3 * quarter, quarter : 3 * quarter] = 0.0
        return images

    return supervised_step(net, batch, replace(context, transforms=(cut,)))


CONTROLS: dict[str, Step] = {
    "mixup, one label": labels_kept(mixup=1.0),
    "cutmix, one label": labels_kept(cutmix=1.0, mix_probability=0.5),
    "the middle cut out": middle_cut,
}

WAYS = Comparison(network=network, recipe=recipe, efforts=EFFORTS, step=CONTROLS.get)

PROTOCOL = (
    "{} At the cpu scale a residual network of three stages with one block each (32, 64 and 128 "
    "channels) on few images of CIFAR-10, mirrored but not cropped, which it learns nearly by "
    "heart: the paper's network and data are larger. At the long scale the same network with "
    "crops. At the gpu scale the shape of ResNet-18 with crops: 17 P MACs a training, about 20 "
    "minutes each on an H100."
)


def _on(small: Footing, large: Footing) -> dict[str, Any]:
    """Return what all claims have, and their footing with the small network and the large one."""
    return {
        "unit": "points of test error",
        "needs": WAYS.needs(FITS),
        "footing": {"cpu": small, "long": small, "gpu": large},
        "decides_at": ("gpu",),  # on so few images seeds differ by about half a point
    }


CLAIMS = (
    Claim(
        id="regularisers/mixup",
        paper="Regularisers: Zhang et al., arXiv:1710.09412; PreAct ResNet-18 on CIFAR-10, 5.53 to "
        "4.24 %",
        sentence="Mixup takes 1.29 points from the error of a residual network.",
        protocol=PROTOCOL.format("Beta(1, 1), every batch mixed."),
        paper_value=1.29,
        measure=WAYS.gain("none", "mixup"),
        rule=at_least(1.29, 0.5),
        control=Control(
            "images are mixed as before, but keep the label of one of the two",
            WAYS.gain("none", "mixup, one label"),
        ),
        **_on("scaled", "scaled"),
    ),
    Claim(
        id="regularisers/cutmix",
        paper="Regularisers: Yun et al., arXiv:1905.04899; PyramidNet-200 on CIFAR-100, 16.45 to "
        "14.23 %",
        sentence="CutMix takes 2.22 points from the error of a residual network.",
        protocol=PROTOCOL.format("Beta(1, 1), every other batch mixed; CIFAR-10, not 100."),
        paper_value=2.22,
        measure=WAYS.gain("none", "cutmix"),
        rule=at_least(2.22, 0.5),
        control=Control(
            "boxes are pasted as before, but images keep the label of one of the two",
            WAYS.gain("none", "cutmix, one label"),
        ),
        **_on("stand-in", "stand-in"),
    ),
    Claim(
        id="regularisers/cutout",
        paper="Regularisers: DeVries, Taylor, arXiv:1708.04552; ResNet-18 on CIFAR-10, 4.72 to "
        "3.99 %",
        sentence="Cutout takes 0.73 points from the error of a residual network.",
        protocol=PROTOCOL.format("A square half as wide as the image."),
        paper_value=0.73,
        measure=WAYS.gain("none", "cutout"),
        rule=at_least(0.73, 0.5),
        control=Control(
            "the square is always the middle of the image", WAYS.gain("none", "the middle cut out")
        ),
        **_on("scaled", "as published"),
    ),
    Claim(
        id="regularisers/drop-block",
        paper="Regularisers: Ghiasi et al., arXiv:1810.12890; PyramidNet-200 on CIFAR-100, 16.45 "
        "to 15.73 %",
        sentence="DropBlock takes 0.72 points from the error of a residual network.",
        protocol=PROTOCOL.format(
            "Behind every stage, a rate that rises to 0.1, squares of 3 positions instead of 7, "
            "which would be larger than the last map; CIFAR-10, not 100."
        ),
        paper_value=0.72,
        measure=WAYS.gain("none", "drop_block"),
        rule=at_least(0.72, 0.5),
        control=WAYS.chance("none", "nothing is dropped: the plain network against itself"),
        **_on("stand-in", "stand-in"),
    ),
)
