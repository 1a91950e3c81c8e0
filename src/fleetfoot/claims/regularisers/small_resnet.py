"""Regularisers on a small residual network that over-fits: with and without each of them.

Papers   the survey of Goncalves dos Santos and Papa, ACM Computing Surveys 2022, arXiv:2201.03299,
         lists their figures; each claim names the method's own paper
Letters  N batch, C classes
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Measurement, Needs, Setting, at_least, capped
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.claims.training_gain import Extent, gain, outcomes
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec

if TYPE_CHECKING:  # a bare machine, which lists claims, need not have what decodes pictures
    from fleetfoot.data.loader import Batch
    from fleetfoot.train.recipe import Recipe
    from fleetfoot.train.steps.step import Context, Metrics, Step

EXTENTS = {
    "smoke": Extent(train_images=100, test_images=100, epochs=1, seeds=1, divisor=8),
    "cpu": Extent(train_images=1500, epochs=30, seeds=3, divisor=2),
    "gpu": Extent(train_images=None, epochs=200, seeds=3),
}
WIDE = (64, 128, 256, 512)  # of ResNet-18, two blocks a stage
SIDES = {"smoke": 24, "cpu": 24, "gpu": 32}

# How a way is trained: the words of its recipe, or what stands in for them in a control.
WORDS: dict[str, tuple[str, ...]] = {
    "none": (),
    "mixup": ("mixup:alpha=1",),
    "cutmix": ("cutmix:alpha=1",),
    "cutout": ("cutout",),
    "drop_block": ("drop_block:rate=0.1,block=3",),
}


def network(setting: Setting) -> nn.Module:
    """Return a ResNet with one block a stage; at the gpu scale one of the shape of ResNet-18."""
    if setting.scale == "gpu":
        return ResNetCifar(ResNetCifarSpec(blocks=2, channels=WIDE), 10)
    divisor = EXTENTS[setting.scale].divisor
    return ResNetCifar(
        ResNetCifarSpec(blocks=1, channels=tuple(c // divisor for c in WIDE[:3])), 10
    )


def recipe_of(setting: Setting, words: tuple[str, ...] = ()) -> "Recipe":
    """Return the recipe; the small form has no crops, so that it over-fits within its epochs."""
    from fleetfoot.data.augment import Augment
    from fleetfoot.train.recipe import Recipe

    published = setting.scale == "gpu"
    return Recipe(
        epochs=EXTENTS[setting.scale].epochs,
        batch=128 if published else 50,
        optimizer="sgd",
        lr=0.1 if published else 0.05,
        weight_decay=5e-4,
        schedule="cosine",
        warmup=0.05,
        label_smoothing=0.0,
        augment=Augment(crop="pad" if published else "none", pad=4, flip=0.5),
        methods=words,
    )


def _side(word: str, setting: Setting) -> str:
    """Return the word with a square half as wide as the image, where it has one."""
    return f"cutout:side={SIDES[setting.scale] // 2}" if word == "cutout" else word


@shared
def trained(way: str, seed: int, setting: Setting) -> Outcome:
    """Return one training of a way: a key of `WORDS` or of `CONTROLS`."""
    extent = EXTENTS[setting.scale]
    words = tuple(_side(word, setting) for word in WORDS.get(way, ()))
    return train_once(
        lambda: network(setting),
        setting,
        recipe=recipe_of(setting, words),
        seed=seed,
        train_images=extent.train_images,
        test_images=extent.test_images,
        size=SIDES[setting.scale],
        step=CONTROLS.get(way),
    )


def gained(way: str, *, other: bool = False) -> Callable[[Setting], Measurement]:
    """Return the measurement of the points of test error that a way saves, seed by seed."""

    def measured(setting: Setting) -> Measurement:
        seeds = EXTENTS[setting.scale].seeds
        before = outcomes(lambda seed: trained("none", seed, setting), seeds)
        after = outcomes(lambda seed: trained(way, seed, setting), seeds, other=other)
        return gain(before, after, names=("none", "none again" if other else way))

    return measured


def labels_kept(**mixing: float) -> "Step":
    """Return the step on mixed images that keep the label of one of the two."""

    def step(net: nn.Module, batch: "Batch", context: "Context") -> "tuple[Tensor, Metrics]":
        from fleetfoot.data.augment import Augment
        from fleetfoot.data.mix import mix_batch
        from fleetfoot.train.steps.step import inputs_of

        images, labels = inputs_of(batch, context)
        shares = F.one_hot(labels, context.classes).float()
        augment = Augment(**mixing)  # pyright: ignore[reportArgumentType]
        seed = context.recipe.seed
        images, _ = mix_batch(images, shares, augment, seed=seed, step=context.step)
        with context.autocast():
            logits_NC = net(images)
        loss = F.cross_entropy(logits_NC.float(), labels)
        return loss, {"accuracy": (logits_NC.argmax(dim=1) == labels).float().mean()}

    return step


def middle_cut(net: nn.Module, batch: "Batch", context: "Context") -> "tuple[Tensor, Metrics]":
    """Return the ordinary step on images whose middle is always cut out."""

    def cut(images: Tensor, generator: torch.Generator) -> Tensor:
        del generator
        quarter = images.shape[2] // 4
        images = images.clone()
        images[:, :, quarter : 3 * quarter, quarter : 3 * quarter] = 0.0
        return images

    from fleetfoot.train.steps.step import supervised_step

    return supervised_step(net, batch, replace(context, transforms=(cut,)))


CONTROLS: "dict[str, Step]" = {
    "mixup, one label": labels_kept(mixup=1.0),
    "cutmix, one label": labels_kept(cutmix=1.0, mix_probability=0.5),
    "the middle cut out": middle_cut,
}

PROTOCOL = (
    "{} At the cpu scale a residual network of three stages with one block each (32, 64 and 128 "
    "channels) on 1,500 images of CIFAR-10 at 24 px for 30 epochs, mirrored but not cropped, which "
    "it learns nearly by heart; 3 seeds, judged on all 10,000 test images: the paper's network "
    "and data are larger, so the verdict is partly at best. At the gpu scale the shape of "
    "ResNet-18 on all images at 32 px with crops for 200 epochs, 3 seeds: 17 P MACs a training, "
    "about 20 minutes each on an H100."
)
SHARED: dict[str, Any] = {
    "unit": "points of test error",
    "needs": Needs(data=("cifar10",)),
    "scales": ("smoke", "cpu", "gpu"),
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
        measure=gained("mixup"),
        verdict=capped(at_least(1.29, 0.5)),
        control=gained("mixup, one label"),
        control_sentence="images are mixed as before, but keep the label of one of the two",
        **SHARED,
    ),
    Claim(
        id="regularisers/cutmix",
        paper="Regularisers: Yun et al., arXiv:1905.04899; PyramidNet-200 on CIFAR-100, 16.45 to "
        "14.23 %",
        sentence="CutMix takes 2.22 points from the error of a residual network.",
        protocol=PROTOCOL.format("Beta(1, 1), every other batch mixed; CIFAR-10, not 100."),
        paper_value=2.22,
        measure=gained("cutmix"),
        verdict=capped(at_least(2.22, 0.5)),
        control=gained("cutmix, one label"),
        control_sentence="boxes are pasted as before, but images keep the label of one of the two",
        **SHARED,
    ),
    Claim(
        id="regularisers/cutout",
        paper="Regularisers: DeVries, Taylor, arXiv:1708.04552; ResNet-18 on CIFAR-10, 4.72 to "
        "3.99 %",
        sentence="Cutout takes 0.73 points from the error of a residual network.",
        protocol=PROTOCOL.format("A square half as wide as the image."),
        paper_value=0.73,
        measure=gained("cutout"),
        verdict=capped(at_least(0.73, 0.5)),
        control=gained("the middle cut out"),
        control_sentence="the square is always the middle of the image",
        **SHARED,
    ),
    Claim(
        id="regularisers/drop-block",
        paper="Regularisers: Ghiasi et al., arXiv:1810.12890; PyramidNet-200 on CIFAR-100, 16.45 "
        "to 15.73 %",
        sentence="DropBlock takes 0.72 points from the error of a residual network.",
        protocol=PROTOCOL.format(
            "Behind every stage, a rate that rises to 0.1, squares of 3 positions in place of 7, "
            "which would be larger than the last map; CIFAR-10, not 100."
        ),
        paper_value=0.72,
        measure=gained("drop_block"),
        verdict=capped(at_least(0.72, 0.5)),
        control=gained("none", other=True),
        control_sentence="nothing is dropped: the plain network against itself with other seeds",
        **SHARED,
    ),
)
