"""JoCoR: of samples half of which are labelled wrongly, those with small joint loss are right.

Paper    Wei et al., CVPR 2020, arXiv:2003.02752, section 4.2, label precision
Letters  N images
"""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import OTHER, Comparison, Effort, points
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.training import images_at, logits_of
from fleetfoot.core.seeds import rng
from fleetfoot.data.loader import Batch
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.jocor import Pair, easiest, jocor_step, joint_losses
from fleetfoot.train.steps.step import Context, Metrics, Step

NOISE = 0.5
WEIGHT = 0.9  # the authors' for this noise
SIDE = 24
CHANNELS = (32, 64, 128)
DIVISORS: dict[Scale, int] = {"smoke": 8, "cpu": 2, "long": 1, "gpu": 1}


def recipe(scale: Scale) -> Recipe:
    """Return the authors' settings, but shorter: Adam without decay, a rate that falls to 0."""
    return plain_recipe(
        batch=64 if scale in ("smoke", "cpu") else 128,
        optimizer="adamw",
        lr=1e-3,
        schedule="linear",
        warmup=0.05,
        augment={"crop": "pad", "pad": 3, "flip": 0.5},
    )


def pair(scale: Scale) -> nn.Module:
    """Return two networks of different weights."""
    channels = tuple(c // DIVISORS[scale] for c in CHANNELS)
    return Pair(*(ResNetCifar(ResNetCifarSpec(blocks=1, channels=channels), 10) for _ in "12"))


PAIRS = Comparison(
    network=lambda _, scale: pair(scale),
    recipe=lambda _, scale: recipe(scale),
    efforts={
        "smoke": Effort(seeds=1, epochs=1, train_images=100, test_images=100),
        "cpu": Effort(seeds=2, epochs=12, train_images=5000, test_images=2000),
        "long": Effort(seeds=3, epochs=100),
        "gpu": Effort(seeds=3, epochs=200),
    },
    pixels={"size": SIDE},
)


def noisy(labels: Tensor, share: float, seed: int) -> Tensor:
    """Return the labels of which a share, drawn at random, is one of the nine others."""
    draws = rng(seed, "label noise")
    wrong = torch.from_numpy(draws.random(len(labels)) < share)
    moves = torch.from_numpy(draws.integers(1, 10, len(labels)))
    return torch.where(wrong, (labels + moves) % 10, labels)


def with_labels(labels: Tensor, step: Step) -> Step:
    """Return a step that is shown other labels, one for each image of the data."""

    def shown(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        given = labels[batch.indices].to(batch.labels.device)
        return step(net, replace(batch, labels=given), context)

    return shown


@measured
def precision(setting: Setting, learnt_noise: float) -> Measurement:
    """Return the share of right labels among the half with small loss.

    Args:
        learnt_noise: share of the labels that are wrong while the networks learn; they choose
            among labels of which `NOISE` are wrong.
    """
    rows = [_row(setting, learnt_noise, seed) for seed in range(PAIRS.effort(setting).seeds)]
    found = points([row["right_among_chosen_percent"] for row in rows])
    return replace(found, table=tuple(rows))


def _row(setting: Setting, learnt_noise: float, seed: int) -> dict[str, Any]:
    effort = PAIRS.effort(setting)
    images = images_at(setting, "cifar10", "train", effort.train_images)
    right = torch.from_numpy(images.labels)
    asked = noisy(right, NOISE, seed)
    learnt = asked if learnt_noise == NOISE else noisy(right, learnt_noise, seed + OTHER)
    step = jocor_step(noise=NOISE, weight=WEIGHT, ramp=max(1, effort.epochs // 3))
    ways = replace(PAIRS, step=lambda _: with_labels(learnt, step))
    outcome = ways.train("pair", setting, seed=seed)
    pixels = PAIRS.preprocess(setting)
    both = cast(Pair, outcome.net)
    first, second = (
        logits_of(net, images, pixels, recipe(setting.scale), device="cpu")
        for net in (both.first, both.second)
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
        "looked at, without augmentation. 24 px; channels 16, 32, 64, at the long and gpu "
        "scales 32, 64, 128, about 40 minutes a training on an H100. The figure is not read from "
        "the paper, whose curves end higher: below 70 % right, where chance gives 50 %, something "
        "is wrong.",
        unit="% of the chosen labels that are right",
        measure=precision(NOISE),
        rule=at_least(70.0, 60.0),
        control=Control(
            "the networks learn from labels that tell nothing, 90 % of them wrong", precision(0.9)
        ),
        needs=PAIRS.needs(None),
        footing=everywhere("scaled"),
    ),
)
