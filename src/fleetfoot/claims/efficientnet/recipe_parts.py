"""EfficientNet's recipe, part by part: stochastic depth, smoothed labels, averaged weights.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, section 5.2, has them all and takes none away;
         the figures are of Huang et al., 2016, arXiv:1603.09382, Table 1 (ResNet-110 on CIFAR-10,
         6.41 to 5.25 %, from memory) and of the survey arXiv:2201.03299 (PyramidNet-200 on
         CIFAR-100 with cutout, 16.53 to 15.61 %)
Departs  a ResNet for CIFAR-10 of 32 layers, few images, short trainings
Letters  N images, K classes
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fleetfoot.claims import training_gain
from fleetfoot.claims.arms import Arm, Effort, effort_at, error_in, lead, rows, trained
from fleetfoot.claims.claim import Claim, Measurement, Needs, Scale, Setting, at_least, capped
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import is_smoke
from fleetfoot.core.surgery import replaced
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.stochastic_depth import StochasticDepth, stochastic_depth

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.data.loader import Batch
    from fleetfoot.train.recipe import Recipe
    from fleetfoot.train.steps.step import Context, Metrics

DROP_PATH, SMOOTHING, DECAY = 0.2, 0.1, 0.99
FEW: dict[Scale, Effort] = {  # images, so that a network can learn them by heart
    "cpu": Effort(seeds=3, epochs=18, size=16, train_images=2000, test_images=5000),
    "gpu": Effort(seeds=3, epochs=200, size=32),
}
EARLY: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=5, size=16, train_images=5000, test_images=5000),
    "gpu": Effort(seeds=3, epochs=20, size=32),
}


@dataclass(frozen=True, kw_only=True)
class Way:
    """What an arm does besides: rate of stochastic depth, words of its recipe, its labels."""

    drop_path: float = 0.0
    recipe: tuple[tuple[str, Any], ...] = ()
    wrong_labels: bool = False
    efforts: str = "few"


CONSTANT = (("milestones", ()),)
WAYS = {
    "plain": Way(),
    "stochastic depth": Way(drop_path=DROP_PATH),
    "smoothed labels": Way(recipe=(("label_smoothing", SMOOTHING),)),
    "wrong labels": Way(wrong_labels=True),
    "last weights": Way(recipe=CONSTANT, efforts="early"),
    "averaged weights": Way(recipe=(*CONSTANT, ("ema", DECAY)), efforts="early"),
}


class DropsAlways(nn.Module):
    """Stochastic depth that goes on in evaluation."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return stochastic_depth(x, self.rate, training=True)


def network(setting: Setting, *, drop_path: float) -> nn.Module:
    """Return a new ResNet of 32 layers; of 8 at the smoke scale."""
    spec = ResNetCifarSpec(blocks=1 if is_smoke(setting) else 5)
    return ResNetCifar(spec, 10, drop_path=drop_path)


def effort_of(way: Way, setting: Setting) -> Effort:
    """Return how thoroughly an arm is trained."""
    return effort_at(setting, FEW if way.efforts == "few" else EARLY)


def recipe_of(way: Way, effort: Effort) -> "Recipe":
    """Return the recipe of He et al. for CIFAR-10 with the words of an arm."""
    from fleetfoot.data.augment import Augment
    from fleetfoot.train.recipe import Recipe

    plain = Recipe(
        batch=64,
        optimizer="sgd",
        lr=0.1,
        weight_decay=1e-4,
        schedule="steps",
        warmup=0.0,
        label_smoothing=0.0,
        augment=Augment(crop="pad", pad=effort.size // 8),
    )
    return plain.with_changes(**dict(way.recipe))


@shared
def arm(name: str, setting: Setting) -> Arm:
    """Return one of `WAYS`, trained."""
    way = WAYS[name]
    effort = effort_of(way, setting)
    return trained(
        name,
        lambda: network(setting, drop_path=way.drop_path),
        setting,
        recipe=recipe_of(way, effort),
        effort=effort,
        step=wrong_labels_step if way.wrong_labels else None,
    )


def wrong_labels_step(
    net: nn.Module, batch: "Batch", context: "Context"
) -> tuple[Tensor, "Metrics"]:
    """Compute the ordinary step on `disturbed` labels."""
    from fleetfoot.train.steps.step import supervised_step

    labels = disturbed(batch.labels, batch.indices, classes=context.classes)
    return supervised_step(net, replace(batch, labels=labels), context)


def disturbed(labels: Tensor, indices: Tensor, *, classes: int) -> Tensor:
    """Return the labels with a share of `SMOOTHING` drawn anew, for each image once and for all.

    Args:
        labels: (N,).
        indices: of the images in their split, (N,).
        classes: K; all are equally likely, the right one too.
    """
    from fleetfoot.data.draws import uniforms

    numbers = torch.from_numpy(uniforms("wrong labels", indices=indices.cpu().numpy(), count=2))
    others = (numbers[:, 1] * classes).long()
    return torch.where(numbers[:, 0] < SMOOTHING, others, labels.cpu()).to(labels.device)


def lead_of(first: str, second: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many points the first arm errs less than the second."""
    return lambda setting: lead(arm(first, setting), arm(second, setting))


def lead_while_dropping(setting: Setting) -> Measurement:
    """Return the lead of stochastic depth if blocks go on being dropped in evaluation."""
    found, way = arm("stochastic depth", setting), WAYS["stochastic depth"]
    effort = effort_of(way, setting)
    torch.manual_seed(0)
    nets = [
        replaced(one.net, StochasticDepth, lambda old: DropsAlways(old.rate))
        for one in found.outcomes
    ]
    return _lead_of_nets(nets, arm("plain", setting), setting, way, effort)


def lead_of_strangers(setting: Setting) -> Measurement:
    """Return the lead of an average over the last weights of all seeds, over each of them."""
    found, way = arm("last weights", setting), WAYS["last weights"]
    mean = averaged([network(setting, drop_path=0.0), *(one.net for one in found.outcomes)])
    nets = [mean] * len(found.outcomes)
    return _lead_of_nets(nets, found, setting, way, effort_of(way, setting))


def averaged(nets: Sequence[nn.Module]) -> nn.Module:
    """Return a network with the mean of the parameters and buffers, in evaluation mode."""
    result = copy.deepcopy(nets[0]).eval()
    states = [net.state_dict() for net in nets]
    mean = {key: sum(state[key] for state in states) / len(states) for key in states[0]}
    result.load_state_dict(mean)
    return result


def _lead_of_nets(
    nets: Sequence[nn.Module], other: Arm, setting: Setting, way: Way, effort: Effort
) -> Measurement:
    recipe = recipe_of(way, effort)
    errors = [error_in(net, setting, recipe=recipe, effort=effort) for net in nets]
    pairs = zip(errors, other.errors, strict=True)
    return replace(training_gain.points(b - a for a, b in pairs), table=rows(other))


NET = "A ResNet of 32 layers for CIFAR-10 at 16 px, SGD 0.1 Nesterov, shifts and flips; "
GPU = "about 15 minutes an arm and seed on one H100"
MANY_EPOCHS = (
    f"{NET}a tenth at half and at three quarters; 2,000 images, 18 epochs, 5,000 test images, "
    f"three seeds. At the gpu scale 32 px, all images, 200 epochs, three seeds: {GPU}."
)
FEW_EPOCHS = (
    f"{NET}the rate is never lowered, as early in a training; 5,000 images, five epochs, 5,000 "
    f"test images, three seeds; average of about 100 steps (decay {DECAY}). At the gpu scale 32 "
    "px, all images, 20 epochs: about 2 minutes an arm and seed on one H100."
)


def _claim(**words: Any) -> Claim:
    return Claim(
        unit="points of test error less than without, mean of seeds",
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
        **words,
    )


CLAIMS = (
    _claim(
        id="efficientnet/stochastic-depth",
        paper="Regularisers: Huang et al., arXiv:1603.09382, Table 1",
        sentence="Dropping whole blocks in training and none in the test lowers the error of a "
        "deep network by 1.2 points.",
        protocol=f"{MANY_EPOCHS} Rates rise to EfficientNet's {DROP_PATH} at the last block, where "
        "the paper has 0.5 and 500 epochs: what pays in a long training need not in a short one.",
        paper_value=1.16,
        measure=lead_of("stochastic depth", "plain"),
        verdict=capped(at_least(1.16, 0.5)),
        control=lead_while_dropping,
        control_sentence="blocks go on being dropped in the test",
        decides_at=("gpu",),
    ),
    _claim(
        id="efficientnet/label-smoothing",
        paper="Regularisers: arXiv:2201.03299, table of label methods",
        sentence="Spreading a tenth of each label over all classes lowers the error by 0.9 points.",
        protocol=MANY_EPOCHS,
        paper_value=0.92,
        measure=lead_of("smoothed labels", "plain"),
        verdict=capped(at_least(0.92, 0.5)),
        control=lead_of("wrong labels", "plain"),
        control_sentence="the same share is drawn instead of spread: a tenth of the labels is "
        "drawn anew before the training",
        decides_at=("gpu",),  # seeds differ by as much here
    ),
    _claim(
        id="efficientnet/averaged-weights",
        paper="arXiv:1905.11946, section 5.2",
        sentence="A moving average of the weights errs less than the last weights do while the "
        "learning rate is high.",
        protocol=FEW_EPOCHS,
        paper_value=None,
        measure=lead_of("averaged weights", "last weights"),
        # a point is more than seeds differ by
        verdict=capped(at_least(1.0, 0.5)),
        control=lead_of_strangers,
        control_sentence="weights of separate trainings and of none are averaged instead of those "
        "of successive steps",
    ),
)
