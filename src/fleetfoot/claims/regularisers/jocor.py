"""JoCoR: of samples half of which are labelled wrongly, those with small joint loss are right.

Paper    Wei et al., CVPR 2020, arXiv:2003.02752, section 4.2, label precision
Letters  N images
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Measurement, Needs, Setting, at_least, capped
from fleetfoot.claims.training import images_at, logits_of, train_once
from fleetfoot.claims.training_gain import OTHER, Extent, points
from fleetfoot.claims.training_images import preprocess_of
from fleetfoot.core.seeds import rng
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec

if TYPE_CHECKING:  # a bare machine, which lists claims, need not have what decodes pictures
    from fleetfoot.data.loader import Batch
    from fleetfoot.train.recipe import Recipe
    from fleetfoot.train.steps.jocor import Pair
    from fleetfoot.train.steps.step import Context, Metrics, Step

NOISE = 0.5
WEIGHT = 0.9  # the authors' for this noise
SIDE = 24
EXTENTS = {
    "smoke": Extent(train_images=100, test_images=100, epochs=1, seeds=1, divisor=8),
    "cpu": Extent(train_images=5000, test_images=2000, epochs=12, seeds=2, divisor=2),
    "gpu": Extent(train_images=None, epochs=200, seeds=3),
}


def recipe_of(setting: Setting) -> "Recipe":
    """Return the authors' settings, but shorter: Adam without decay, a rate that falls to 0."""
    from fleetfoot.data.augment import Augment
    from fleetfoot.train.recipe import Recipe

    return Recipe(
        epochs=EXTENTS[setting.scale].epochs,
        batch=128 if setting.scale == "gpu" else 64,
        lr=1e-3,
        weight_decay=0.0,
        schedule="linear",
        label_smoothing=0.0,
        augment=Augment(crop="pad", pad=3, flip=0.5),
    )


def pair(setting: Setting) -> nn.Module:
    """Return two networks of different weights."""
    from fleetfoot.train.steps.jocor import Pair

    channels = tuple(c // EXTENTS[setting.scale].divisor for c in (32, 64, 128))
    first, second = (
        ResNetCifar(ResNetCifarSpec(blocks=1, channels=channels), 10) for _ in range(2)
    )
    return Pair(first, second)


def noisy(labels: Tensor, share: float, seed: int) -> Tensor:
    """Return the labels of which a share, drawn at random, is one of the nine others."""
    draws = rng(seed, "label noise")
    wrong = torch.from_numpy(draws.random(len(labels)) < share)
    moves = torch.from_numpy(draws.integers(1, 10, len(labels)))
    return torch.where(wrong, (labels + moves) % 10, labels)


def with_labels(labels: Tensor, step: "Step") -> "Step":
    """Return a step that is shown other labels, one for each image of the data."""

    def shown(net: nn.Module, batch: "Batch", context: "Context") -> "tuple[Tensor, Metrics]":
        given = labels[batch.indices].to(batch.labels.device)
        return step(net, replace(batch, labels=given), context)

    return shown


def precision(learnt_noise: float) -> Callable[[Setting], Measurement]:
    """Return the measurement of the share of right labels among the half with small loss.

    Args:
        learnt_noise: share of the labels that are wrong while the networks learn; they choose
            among labels of which `NOISE` are wrong.
    """

    def measured(setting: Setting) -> Measurement:
        extent = EXTENTS[setting.scale]
        rows = [_row(setting, extent, learnt_noise, seed) for seed in range(extent.seeds)]
        found = points([row["right_among_chosen_percent"] for row in rows])
        return replace(found, table=tuple(rows))

    return measured


def _row(setting: Setting, extent: Extent, learnt_noise: float, seed: int) -> dict[str, Any]:
    from fleetfoot.train.steps.jocor import easiest, jocor_step, joint_losses

    images = images_at(setting, "cifar10", "train", extent.train_images)
    right = torch.from_numpy(images.labels)
    asked, recipe = noisy(right, NOISE, seed), recipe_of(setting)
    learnt = asked if learnt_noise == NOISE else noisy(right, learnt_noise, seed + OTHER)
    ramp = max(1, extent.epochs // 3)
    step = jocor_step(noise=NOISE, weight=WEIGHT, ramp=ramp)
    outcome = train_once(
        lambda: pair(setting),
        setting,
        recipe=recipe,
        seed=seed,
        train_images=extent.train_images,
        test_images=extent.test_images,
        size=SIDE,
        step=with_labels(learnt, step),
    )
    pixels = preprocess_of("cifar10", size=SIDE)
    both = cast("Pair", outcome.net)
    first, second = (
        logits_of(net, images, pixels, recipe, device="cpu") for net in (both.first, both.second)
    )
    chosen = easiest(joint_losses(first, second, asked, WEIGHT), NOISE)
    return {
        "training": seed,
        "wrong_while_learning_percent": round(100 * float((learnt != right).double().mean()), 1),
        "wrong_among_all_percent": round(100 * float((asked != right).double().mean()), 1),
        "right_among_chosen_percent": round(
            100 * float((asked[chosen] == right[chosen]).double().mean()), 2
        ),
        "test_error_percent": round(outcome.test_error, 2),
    }


CLAIMS = (
    Claim(
        id="regularisers/jocor-precision",
        paper="Regularisers: Wei et al., arXiv:2003.02752, section 4.2, CIFAR-10 with 50 % "
        "symmetric noise",
        sentence="Where half of the labels are wrong, most of those with small joint loss are "
        "right.",
        protocol="Two residual networks, Adam, w = 0.9, half of the samples left out from a third "
        "of the run on; afterwards the half of the training images with the smallest joint loss is "
        "looked at, without augmentation. At the cpu scale channels 16, 32, 64 at 24 px, 5,000 "
        "images, 12 epochs, 2 seeds; at the gpu scale 32, 64, 128, all images, 200 epochs, 3 "
        "seeds, about 40 minutes each on an H100. The figure is not read from the paper, whose "
        "curves end higher: below 70 % right, where chance gives 50 %, something is wrong.",
        unit="% of the chosen labels that are right",
        paper_value=None,
        measure=precision(NOISE),
        verdict=capped(at_least(70.0, 60.0)),
        control=precision(0.9),
        control_sentence="the networks learn from labels that tell nothing, 90 % of them wrong",
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
)
