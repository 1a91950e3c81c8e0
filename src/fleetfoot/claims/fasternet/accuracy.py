"""FasterNet, Table 5 and section 3: what its block's parts do to accuracy, at equal work.

A small FasterNet on CIFAR-10 stands in for T0 on ImageNet. An arm changes one thing; where that
changes the work, the width of all layers is chosen so that the multiply-adds come nearest to those
of the published form, as the paper does with its T0*.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 5, sections 3.2 and 3.3
Letters  N images, C channels, H height, W width
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from fleetfoot.claims.arms import Arm, Effort, effort_at, lead, macs_of, trained
from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Scale, Setting
from fleetfoot.claims.fasternet.ablations import ChannelNorm
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.core.surgery import replaced
from fleetfoot.nets.fasternet import FasterNet, FasterNetSpec
from fleetfoot.ops.partial_conv import PartialConv2d

EFFORTS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=4, size=32, train_images=10_000, test_images=5000),
    "gpu": Effort(seeds=3, epochs=100, size=32),
}
Change = Callable[[nn.Module], nn.Module]


class Shape(NamedTuple):
    """What is left of T0 at a scale: channels of the first stage, blocks, channels of the head."""

    channels: int
    blocks: tuple[int, ...]
    head: int


SHAPES: dict[Scale, Shape] = {
    "smoke": Shape(32, (1, 1), 32),
    "cpu": Shape(32, (1, 2, 4), 256),
    "gpu": Shape(40, (1, 2, 8, 2), 1280),
}


class Form(NamedTuple):
    """What an arm changes: the divisor of the channels, the activation, modules after building."""

    divisor: int = 4
    act: Callable[[], nn.Module] = nn.GELU
    change: Change = lambda net: net
    equal_work: bool = True  # choose the width, else keep it


def mixing_by(make: Callable[[int], nn.Module]) -> Change:
    """Return the change of every partial convolution to ``make(channels)``."""
    return lambda net: replaced(net, PartialConv2d, lambda old: make(old.channels))


def normed_by(make: Callable[[int], nn.Module]) -> Change:
    """Return the change of every batch norm to ``make(channels)``."""
    return lambda net: replaced(net, nn.BatchNorm2d, lambda old: make(old.num_features))


def _depthwise(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


def _regular(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)


FORMS: dict[str, Form] = {
    "published": Form(equal_work=False),
    "r = 1/2": Form(divisor=2),
    "r = 1/8": Form(divisor=8),
    "r = 1/32": Form(divisor=32),
    "layer norm": Form(change=normed_by(ChannelNorm), equal_work=False),
    "no norm": Form(change=normed_by(lambda _: nn.Identity()), equal_work=False),
    "ReLU": Form(act=nn.ReLU, equal_work=False),
    "no activation": Form(act=nn.Identity, equal_work=False),
    "depthwise": Form(change=mixing_by(_depthwise)),
    "regular": Form(change=mixing_by(_regular)),
    "no 3x3": Form(change=mixing_by(lambda _: nn.Identity())),
}


def built(form: Form, shape: Shape, channels: int) -> nn.Module:
    """Return the small FasterNet of a form, with weights drawn as the paper draws them."""
    spec = FasterNetSpec(
        channels=channels,
        blocks=shape.blocks,
        act=form.act,
        drop_path=0.0,
        divisor=form.divisor,
        head_channels=shape.head,
    )
    net = form.change(FasterNet(spec, 10, patch=2))
    assert isinstance(net, FasterNet)
    net.reset_parameters()  # what a change put in is drawn like the rest
    return net


@cache
def channels_of(name: str, scale: Scale) -> int:
    """Return the channels of the first stage with which an arm does the work of "published"."""
    form, shape = FORMS[name], SHAPES[scale]
    if not form.equal_work:
        return shape.channels
    size = effort_at(Setting(scale=scale), EFFORTS).size

    def macs(form: Form, channels: int) -> int:
        with torch.device("meta"):
            return macs_of(built(form, shape, channels), size)

    wanted = macs(FORMS["published"], shape.channels)
    widths = [w for w in range(shape.channels // 2, shape.channels * 5 // 4) if w >= form.divisor]
    return min(widths, key=lambda channels: abs(macs(form, channels) - wanted))


@shared
def arm(name: str, setting: Setting) -> Arm:
    """Return an arm, trained as T0 was but for its mixing of images, with a smaller batch."""
    from fleetfoot.data.augment import Augment
    from fleetfoot.train.recipe import Recipe

    recipe = Recipe(
        batch=64,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.005,
        decay_norms_and_biases=True,
        schedule="cosine",
        warmup=20 / 300,
        label_smoothing=0.1,
        augment=Augment(crop="pad", pad=4),
    )
    form, shape = FORMS[name], SHAPES[setting.scale]
    channels = channels_of(name, setting.scale)
    effort = effort_at(setting, EFFORTS)
    return trained(
        f"{name}, {channels} channels",
        lambda: built(form, shape, channels),
        setting,
        recipe=recipe,
        effort=effort,
    )


def lead_of(first: str, second: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many points the first arm errs less than the second."""
    return lambda setting: lead(arm(first, setting), arm(second, setting))


STAND_IN = (
    "A FasterNet of three stages (1, 2 and 4 blocks, 32 channels and their doubles, patches of "
    "2 px, a head of 256) on CIFAR-10, GELU, in place of T0 on ImageNet; forms that change the "
    "work get the width whose multiply-adds come nearest. AdamW, T0's decay, smoothing and cosine, "
    "shifts and flips; 10,000 images, four epochs, 5,000 test images, three seeds. At the gpu "
    "scale T0 with patches of 2 px, all images, 100 epochs, three seeds: about 20 minutes a form "
    "and seed on one H100."
)


def _claim(  # noqa: PLR0913  what one row of the table differs in
    identity: str,
    sentence: str,
    *,
    arms: tuple[str, str],
    broken: tuple[str, str],
    control_sentence: str,
    paper: str = "arXiv:2303.03667v3, Table 5",
    paper_value: float | None,
    borders: tuple[float, float],
    decides_at: tuple[Scale, ...] = ("cpu", "gpu"),
) -> Claim:
    return Claim(
        id=f"fasternet/{identity}",
        paper=paper,
        sentence=sentence,
        protocol=STAND_IN,
        unit=f"points of test error less with {arms[0]} than with {arms[1]}, mean of seeds",
        paper_value=paper_value,
        measure=lead_of(*arms),
        rule=at_least(*borders),
        control=Control(control_sentence, lead_of(*broken)),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
        decides_at=decides_at,
    )


ONE_IN_32 = "one channel in 32 is mixed over space in place of one in 4"
NO_3X3 = "nothing is mixed over space in the blocks"

CLAIMS = (
    _claim(
        "ratio-half-accuracy",
        "Mixing a quarter of the channels over space is better than mixing half of them, at equal "
        "work, by 0.2 points.",
        arms=("published", "r = 1/2"),
        broken=("r = 1/32", "r = 1/2"),
        control_sentence=ONE_IN_32,
        paper_value=0.2,
        borders=(0.2, 0.2),
        decides_at=("gpu",),  # 0.2 points are less than seeds differ by here
    ),
    _claim(
        "ratio-eighth-accuracy",
        "Mixing a quarter of the channels over space is better than mixing an eighth of them, at "
        "equal work, by 0.6 points.",
        arms=("published", "r = 1/8"),
        broken=("r = 1/32", "r = 1/8"),
        control_sentence=ONE_IN_32,
        paper_value=0.6,
        borders=(0.6, 0.5),
        decides_at=("gpu",),  # seeds differ by as much here
    ),
    _claim(
        "norm-accuracy",
        "Batch norms, which can be folded, are as accurate as layer norms.",
        arms=("published", "layer norm"),
        broken=("no norm", "layer norm"),
        control_sentence="the batch norms are left out",
        paper_value=0.0,
        borders=(0.0, -1.0),  # as accurate: within a point
    ),
    _claim(
        "activation-accuracy",
        "In the smallest network GELU is better than ReLU by 0.6 points.",
        arms=("published", "ReLU"),
        broken=("no activation", "ReLU"),
        control_sentence="GELU is left out",
        paper_value=0.6,
        borders=(0.6, 0.5),
        decides_at=("gpu",),  # seeds differ by as much here
    ),
    _claim(
        "depthwise-accuracy",
        "A partial convolution in front of the pointwise ones serves accuracy no less than the "
        "depthwise one of other networks does, at equal work.",
        arms=("published", "depthwise"),
        broken=("no 3x3", "depthwise"),
        control_sentence=NO_3X3,
        paper="arXiv:2303.03667v3, section 3.2",
        paper_value=None,
        borders=(0.0, -1.0),  # no less: within a point
    ),
    _claim(
        "t-shape-accuracy",
        "A partial convolution with a pointwise one, which weighs the centre of a patch most, "
        "serves accuracy no less than a regular one over all channels, at equal work.",
        arms=("published", "regular"),
        broken=("no 3x3", "regular"),
        control_sentence=NO_3X3,
        paper="arXiv:2303.03667v3, section 3.3",
        paper_value=None,
        borders=(0.0, -1.0),
    ),
)
