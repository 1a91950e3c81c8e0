"""FasterNet, Table 5 and section 3: what its block's parts do to accuracy, at equal work.

A small FasterNet on CIFAR-10 stands in for T0 on ImageNet. A form changes one thing; where that
changes the work, the width of all layers is chosen so that the multiply-adds come nearest to those
of the published form, as the paper does with its T0*.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 5, sections 3.2 and 3.3
Letters  N images, C channels, H height, W width
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Scale, everywhere
from fleetfoot.claims.comparison import Comparison, Effort, macs_of
from fleetfoot.claims.fasternet.ablations import ChannelNorm
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import about, at_least
from fleetfoot.core.surgery import replaced
from fleetfoot.nets.fasternet import FasterNet, FasterNetSpec
from fleetfoot.ops.partial_conv import PartialConv2d

SIZE = 32
Change = Callable[[nn.Module], nn.Module]


class Shape(NamedTuple):
    """What is left of T0 at a scale: channels of the first stage, blocks, channels of the head."""

    channels: int
    blocks: tuple[int, ...]
    head: int


SHAPES: dict[Scale, Shape] = {
    "smoke": Shape(32, (1, 1), 32),
    "cpu": Shape(32, (1, 2, 4), 256),
    "long": Shape(40, (1, 2, 8, 2), 1280),
    "gpu": Shape(40, (1, 2, 8, 2), 1280),
}


class Form(NamedTuple):
    """What is changed: the divisor of the channels, the activation, modules after building."""

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
    """Return the channels of the first stage with which a form does the work of "published"."""
    form, shape = FORMS[name], SHAPES[scale]
    if not form.equal_work:
        return shape.channels

    def macs(form: Form, channels: int) -> int:
        with torch.device("meta"):
            return macs_of(built(form, shape, channels), SIZE)

    wanted = macs(FORMS["published"], shape.channels)
    widths = [w for w in range(shape.channels // 2, shape.channels * 5 // 4) if w >= form.divisor]
    return min(widths, key=lambda channels: abs(macs(form, channels) - wanted))


def network(name: str, scale: Scale) -> nn.Module:
    """Return a new network of a form, as wide as the work asks."""
    return built(FORMS[name], SHAPES[scale], channels_of(name, scale))


COMPARED = Comparison(
    network=network,
    recipe=plain_recipe(  # T0's but for its mixing of images, with a smaller batch
        batch=64,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.005,
        decay_norms_and_biases=True,
        schedule="cosine",
        warmup=20 / 300,
        label_smoothing=0.1,
        augment={"crop": "pad", "pad": 4, "flip": 0.5},
    ),
    efforts={
        "cpu": Effort(seeds=3, epochs=4, size=SIZE, train_images=10_000, test_images=5000),
        "gpu": Effort(seeds=3, epochs=100, size=SIZE),
    },
)

STAND_IN = (
    "A FasterNet of three stages (1, 2 and 4 blocks, 32 channels and their doubles, patches of "
    "2 px, a head of 256) on CIFAR-10, GELU, instead of T0 on ImageNet; forms that change the "
    "work get the width whose multiply-adds come nearest. AdamW, T0's decay, smoothing and cosine, "
    "shifts and flips. At the long and gpu scales T0 with patches of 2 px, about 20 minutes a form "
    "and seed on one H100."
)


def _against(other: str, *, broken: str, how: str) -> dict[str, Any]:
    """Return what a claim compares: the published form, and a broken one, with another form."""
    return {
        "protocol": STAND_IN,
        "unit": f"points of test error less with published than with {other}, mean of seeds",
        "measure": COMPARED.gain(other, "published"),
        "control": Control(how, COMPARED.gain(other, broken)),
        "footing": everywhere("stand-in"),
        "needs": COMPARED.needs(),
    }


TABLE_5 = "arXiv:2303.03667v3, Table 5"
ONE_IN_32 = "one channel in 32 is mixed over space in place of one in 4"
NO_3X3 = "nothing is mixed over space in the blocks"
ON_GPU: dict[str, Any] = {"decides_at": ("gpu",)}  # less than seeds differ by on few images

CLAIMS = (
    Claim(
        id="fasternet/ratio-half-accuracy",
        paper=TABLE_5,
        sentence="Mixing a quarter of the channels over space is better than mixing half of them, "
        "at equal work, by 0.2 points.",
        paper_value=0.2,
        rule=at_least(0.2, 0.2),
        **_against("r = 1/2", broken="r = 1/32", how=ONE_IN_32),
        **ON_GPU,
    ),
    Claim(
        id="fasternet/ratio-eighth-accuracy",
        paper=TABLE_5,
        sentence="Mixing a quarter of the channels over space is better than mixing an eighth of "
        "them, at equal work, by 0.6 points.",
        paper_value=0.6,
        rule=at_least(0.6, 0.5),
        **_against("r = 1/8", broken="r = 1/32", how=ONE_IN_32),
        **ON_GPU,
    ),
    Claim(
        id="fasternet/norm-accuracy",
        paper=TABLE_5,
        sentence="Batch norms, which can be folded, are as accurate as layer norms.",
        paper_value=0.0,
        rule=about(0.0, reproduced=0.5, partly=1.0),  # as accurate: within a point, either way
        **_against("layer norm", broken="no norm", how="the batch norms are left out"),
    ),
    Claim(
        id="fasternet/activation-accuracy",
        paper=TABLE_5,
        sentence="In the smallest network GELU is better than ReLU by 0.6 points.",
        paper_value=0.6,
        rule=at_least(0.6, 0.5),
        **_against("ReLU", broken="no activation", how="GELU is left out"),
        **ON_GPU,
    ),
    Claim(
        id="fasternet/depthwise-accuracy",
        paper="ours, after arXiv:2303.03667v3, section 3.2",
        sentence="A partial convolution in front of the pointwise ones serves accuracy no less "
        "than the depthwise one of other networks does, at equal work.",
        rule=at_least(0.0, -1.0),  # no less: within a point
        **_against("depthwise", broken="no 3x3", how=NO_3X3),
    ),
    Claim(
        id="fasternet/t-shape-accuracy",
        paper="ours, after arXiv:2303.03667v3, section 3.3",
        sentence="A partial convolution with a pointwise one, which weighs the centre of a patch "
        "most, serves accuracy no less than a regular one over all channels, at equal work.",
        rule=at_least(0.0, -1.0),
        **_against("regular", broken="no 3x3", how=NO_3X3),
    ),
)
