"""EfficientNet's recipe, part by part: stochastic depth, smoothed labels, averaged weights.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, section 5.2, has them all and takes none away;
         the figures are of Huang et al., 2016, arXiv:1603.09382, Table 1 (ResNet-110 on CIFAR-10,
         6.41 to 5.25 %, from memory) and of the survey arXiv:2201.03299 (PyramidNet-200 on
         CIFAR-100 with cutout, 16.53 to 15.61 %)
Departs  a ResNet for CIFAR-10 of 32 layers, few images, short trainings
Letters  N images, K classes
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere
from fleetfoot.claims.comparison import Comparison, Effort, points, rows
from fleetfoot.claims.he_recipe import he_recipe
from fleetfoot.claims.rules import FITS, at_least
from fleetfoot.core.surgery import replaced
from fleetfoot.data.draws import uniforms
from fleetfoot.data.loader import Batch
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.stochastic_depth import StochasticDepth, stochastic_depth
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context, Metrics, Step, supervised_step

DROP_PATH, SMOOTHING, DECAY = 0.2, 0.1, 0.99
WORDS: dict[str, dict[str, Any]] = {  # of the recipe, by way
    "smoothed labels": {"label_smoothing": SMOOTHING},
    "last weights": {"milestones": ()},
    "averaged weights": {"milestones": (), "ema": DECAY},
}


class DropsAlways(nn.Module):
    """Stochastic depth that goes on in evaluation."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return stochastic_depth(x, self.rate, training=True)


def network(way: str, scale: Scale) -> nn.Module:
    """Return a new ResNet of 32 layers; of 8 at the smoke scale."""
    spec = ResNetCifarSpec(blocks=1 if scale == "smoke" else 5)
    return ResNetCifar(spec, 10, drop_path=DROP_PATH if way == "stochastic depth" else 0.0)


def recipe(way: str, scale: Scale) -> Recipe:
    """Return the recipe of He et al. with the words of a way."""
    return he_recipe(16 if scale in ("smoke", "cpu") else 32, **WORDS.get(way, {}))


def wrong_labels_step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
    """Compute the ordinary step on `disturbed` labels."""
    labels = disturbed(batch.labels, batch.indices, classes=context.classes)
    return supervised_step(net, replace(batch, labels=labels), context)


STEPS: dict[str, Step] = {"wrong labels": wrong_labels_step}

LEARNT_BY_HEART = Comparison(  # few images, so that a network can learn them by heart
    network=network,
    recipe=recipe,
    efforts={
        "cpu": Effort(seeds=3, epochs=18, size=16, train_images=2000, test_images=5000),
        "long": Effort(seeds=3, epochs=100, size=32),
        "gpu": Effort(seeds=3, epochs=200, size=32),
    },
    step=STEPS.get,
)
EARLY = Comparison(
    network=network,
    recipe=recipe,
    efforts={
        "cpu": Effort(seeds=3, epochs=5, size=16, train_images=5000, test_images=5000),
        "gpu": Effort(seeds=3, epochs=20, size=32),
    },
)


def disturbed(labels: Tensor, indices: Tensor, *, classes: int) -> Tensor:
    """Return the labels with a share of `SMOOTHING` drawn again, for each image once and for all.

    Args:
        labels: (N,).
        indices: of the images in their split, (N,).
        classes: K; all are equally likely, the right one too.
    """
    numbers = torch.from_numpy(uniforms("wrong labels", indices=indices.cpu().numpy(), count=2))
    others = (numbers[:, 1] * classes).long()
    return torch.where(numbers[:, 0] < SMOOTHING, others, labels.cpu()).to(labels.device)


def gain_while_dropping(setting: Setting) -> Measurement:
    """Return the gain of stochastic depth if blocks go on being dropped in evaluation."""
    found = LEARNT_BY_HEART.trainings("stochastic depth", setting)
    torch.manual_seed(0)
    nets = [replaced(o.net, StochasticDepth, lambda old: DropsAlways(old.rate)) for o in found]
    return gain_of_nets(LEARNT_BY_HEART, "plain", nets, setting)


def gain_of_strangers(setting: Setting) -> Measurement:
    """Return the gain of an average over the last weights of all seeds, over each of them."""
    found = EARLY.trainings("last weights", setting)
    mean = averaged([network("last weights", setting.scale), *(one.net for one in found)])
    return gain_of_nets(EARLY, "last weights", [mean] * len(found), setting)


def gain_of_nets(
    comparison: Comparison, before: str, nets: Sequence[nn.Module], setting: Setting
) -> Measurement:
    """Return by how many points networks err less than the trainings of a way, one by one."""
    old = comparison.trainings(before, setting)
    errors = [comparison.error_of(net, before, setting) for net in nets]
    gained = points(one.test_error - error for one, error in zip(old, errors, strict=True))
    return replace(gained, table=rows(before, old))


def averaged(nets: Sequence[nn.Module]) -> nn.Module:
    """Return a network with the mean of the parameters and buffers, in evaluation mode."""
    result = copy.deepcopy(nets[0]).eval()
    states = [net.state_dict() for net in nets]
    mean = {key: sum(state[key] for state in states) / len(states) for key in states[0]}
    result.load_state_dict(mean)
    return result


NET = "A ResNet of 32 layers for CIFAR-10, SGD 0.1 Nesterov, shifts and flips; "
MANY_EPOCHS = (
    f"{NET}a tenth at half and at three quarters. At the gpu scale about 15 minutes a way and seed "
    "on one H100."
)
FEW_EPOCHS = (
    f"{NET}the rate is never lowered, as early in a training; average of about 100 steps "
    f"(decay {DECAY}). At the gpu scale about 2 minutes a way and seed on one H100."
)


UNIT = "points of test error less than without, mean of seeds"


CLAIMS = (
    Claim(
        id="efficientnet/stochastic-depth",
        paper="Regularisers: Huang et al., arXiv:1603.09382, Table 1",
        sentence="Dropping whole blocks in training and none in the test lowers the error of a "
        "deep network by 1.2 points.",
        protocol=f"{MANY_EPOCHS} Rates rise to EfficientNet's {DROP_PATH} at the last block, where "
        "the paper has 0.5 and 500 epochs: what pays in a long training need not in a short one.",
        unit=UNIT,
        paper_value=1.16,
        measure=LEARNT_BY_HEART.gain("plain", "stochastic depth"),
        rule=at_least(1.16, 0.5),
        control=Control("blocks go on being dropped in the test", gain_while_dropping),
        footing=everywhere("scaled"),  # a ResNet of 32 layers instead of 110
        needs=LEARNT_BY_HEART.needs(FITS),
        decides_at=("gpu",),
    ),
    Claim(
        id="efficientnet/label-smoothing",
        paper="Regularisers: arXiv:2201.03299, table of label methods",
        sentence="Spreading a tenth of each label over all classes lowers the error by 0.9 points.",
        protocol=MANY_EPOCHS,
        unit=UNIT,
        paper_value=0.92,
        measure=LEARNT_BY_HEART.gain("plain", "smoothed labels"),
        rule=at_least(0.92, 0.5),
        control=Control(
            "the same share is drawn instead of spread: a tenth of the labels is drawn again "
            "before the training",
            LEARNT_BY_HEART.gain("plain", "wrong labels"),
        ),
        footing=everywhere("stand-in"),
        needs=LEARNT_BY_HEART.needs(FITS),
        decides_at=("gpu",),  # seeds differ by as much here
    ),
    Claim(
        id="efficientnet/averaged-weights",
        paper="ours, after arXiv:1905.11946, section 5.2",
        sentence="A moving average of the weights errs less than the last weights do while the "
        "learning rate is high.",
        protocol=f"{FEW_EPOCHS} The paper averages without saying what it gains: the sentence is "
        "ours.",
        unit=UNIT,
        measure=EARLY.gain("last weights", "averaged weights"),
        # a point is more than seeds differ by
        rule=at_least(1.0, 0.5),
        control=Control(
            "weights of separate trainings and of none are averaged instead of those "
            "of successive steps",
            gain_of_strangers,
        ),
        footing=everywhere("stand-in"),
        needs=EARLY.needs(),
    ),
)
