"""VoVNet, section 3.1 and Figure 2: what aggregating once costs in accuracy, and what is read.

DenseNet-40 against the same network with one-shot aggregation instead of its dense blocks,
and how strongly the layer behind a block reads each of the block's layers.

Paper    Lee et al., 2019, arXiv:1904.09730, section 3.1 and Fig. 2
Departs  at the cpu scale all blocks are half as deep and the images half as large; how a block of
         the paper's OSA ends is not known (`nets.osa_cifar`)
Letters  N images, C channels, O channels out, H height, W width
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.blocks.osa import OSA
from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, Effort
from fleetfoot.claims.he_recipe import he_recipe
from fleetfoot.claims.rules import Rule, about, at_least
from fleetfoot.core.seeds import seed_everything
from fleetfoot.core.surgery import replaced
from fleetfoot.nets.densenet import CIFAR, DenseNet
from fleetfoot.nets.osa_cifar import STEM_CHANNELS, OSACifar, OSACifarSpec

DENSE, DEEP, WIDE = "DenseNet", "OSA of many layers", "OSA of few wide layers"


class Blocks(NamedTuple):
    """Layers of a dense block, and layers and width of the two forms of OSA that do its work."""

    dense: int
    deep: tuple[int, int]
    wide: tuple[int, int]


BLOCKS: dict[Scale, Blocks] = {
    "smoke": Blocks(2, (2, 20), (1, 31)),
    "cpu": Blocks(6, (6, 20), (3, 31)),
    "long": Blocks(12, (12, 20), (5, 43)),
    "gpu": Blocks(12, (12, 20), (5, 43)),
}


class OthersMaps(nn.Module):
    """Give each image of a batch the maps of another, but for its own first ``kept`` channels."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x[:, : self.kept], x[:, self.kept :].roll(1, 0)), dim=1)


def dense(blocks: Blocks) -> nn.Module:
    """Return DenseNet-40, or one whose three blocks have other than twelve layers."""
    return DenseNet(replace(CIFAR, layers=(blocks.dense,) * 3), 10)


def one_shot(blocks: Blocks, form: tuple[int, int]) -> nn.Module:
    """Return `dense` with OSA of that many layers and channels, ending as wide as its blocks."""
    ends = tuple(STEM_CHANNELS + stage * blocks.dense * CIFAR.growth for stage in (1, 2, 3))
    layers, width = form
    return OSACifar(OSACifarSpec(layers=layers, width=width, merged=ends), 10)


def shuffled(net: nn.Module) -> nn.Module:
    """Return a copy whose blocks aggregate, beside their input, the maps of another image."""

    def change(block: OSA) -> OSA:
        conv: Any = block.layers[0].get_submodule("conv")
        block.merge = nn.Sequential(OthersMaps(conv.in_channels), block.merge)
        return block

    return replaced(net, OSA, change)


NETS: dict[str, Callable[[Blocks], nn.Module]] = {
    DENSE: dense,
    DEEP: lambda blocks: one_shot(blocks, blocks.deep),
    WIDE: lambda blocks: one_shot(blocks, blocks.wide),
    f"broken {DEEP}": lambda blocks: shuffled(one_shot(blocks, blocks.deep)),
    f"broken {WIDE}": lambda blocks: shuffled(one_shot(blocks, blocks.wide)),
}


COMPARED = Comparison(
    network=lambda name, scale: NETS[name](BLOCKS[scale]),
    recipe=lambda _, scale: he_recipe(16 if scale in ("smoke", "cpu") else 32),
    efforts={
        "cpu": Effort(seeds=3, epochs=5, size=16, train_images=8000, test_images=5000),
        "long": Effort(seeds=3, epochs=20, size=32),
        "gpu": Effort(seeds=3, epochs=40, size=32),
    },
)


def read_strengths(net: nn.Module) -> list[Tensor]:
    """Return how strongly what follows each block reads the block's input and its layers.

    The mean absolute weight over the maps of a source, as a share of the block's largest.

    Args:
        net: a `dense` or a `one_shot` network.
    """
    return [_strengths(_reader(net, index), widths) for index, widths in enumerate(_sources(net))]


def _strengths(weight: Tensor, widths: list[int]) -> Tensor:
    """Return the mean of (O, C) over O and each run of ``widths`` channels, largest 1."""
    means = torch.stack([part.mean() for part in weight.abs().split(widths, dim=1)])
    return means / means.max()


def _sources(net: Any) -> list[list[int]]:
    """Return the channels of each block's input and of its layers."""
    blocks = [
        stage.layers if isinstance(net, DenseNet) else stage.block.layers for stage in net.stages
    ]
    inputs = [_convolution(block[0]).in_channels for block in blocks]
    return [
        [first, *(_convolution(layer).out_channels for layer in block)]
        for first, block in zip(inputs, blocks, strict=True)
    ]


def _convolution(layer: nn.Module) -> nn.Conv2d:
    return next(module for module in layer.modules() if isinstance(module, nn.Conv2d))


def _reader(net: Any, index: int) -> Tensor:
    """Return the weights (O, C) that read the concatenation of a block."""
    if isinstance(net, OSACifar):
        return (
            _convolution(net.stages[index].get_submodule("block.merge")).weight.detach().flatten(1)
        )
    if index + 1 < len(net.stages):
        return _convolution(net.stages[index + 1].transition).weight.detach().flatten(1)
    return net.classifier.weight.detach()


@measured
def reading_over_dense(
    setting: Setting, net_of: Callable[[str, Setting], list[nn.Module]]
) -> Measurement:
    """Return the mean strength in the wide OSA over that in DenseNet."""
    table: list[dict[str, Any]] = []
    means: dict[str, float] = {}
    for name in (WIDE, DENSE):
        found = [read_strengths(net) for net in net_of(name, setting)]
        blocks = [torch.stack(block).mean(dim=0) for block in zip(*found, strict=True)]
        means[name] = float(torch.stack([block.mean() for block in blocks]).mean())
        table += [
            {"net": name, "block": block, "source": source, "strength": float(value)}
            for block, strengths in enumerate(blocks, 1)
            for source, value in enumerate(strengths)
        ]
    return Measurement(value=means[WIDE] / means[DENSE], table=tuple(table))


def _trained(name: str, setting: Setting) -> list[nn.Module]:
    return [outcome.net for outcome in COMPARED.trainings(name, setting)]


def _untrained(name: str, setting: Setting) -> list[nn.Module]:
    seed_everything(0)
    return [NETS[name](BLOCKS[setting.scale])]


# DenseNet-40 and its forms, smaller at the cpu scale and trained for fewer epochs at all.
FOOTING = everywhere("scaled")
STAND_IN = (
    "DenseNet with three blocks of six layers (k = 12), OSA with 6 layers of 20 and 3 of 31 "
    "channels, their concatenation merged to DenseNet's widths; SGD 0.1 Nesterov, a tenth at half "
    "and at three quarters, shifts and flips. At the long and gpu scales DenseNet-40, 12 x 20 and "
    "5 x 43: about 15 minutes a network and seed on one H100, 2 hours in all."
)


def _accuracy(name: str, points: float, rule: Rule) -> dict[str, Any]:
    return {
        "paper": "arXiv:1904.09730, section 3.1",
        "protocol": STAND_IN,
        "unit": "points of test error more than DenseNet, mean of seeds",
        "paper_value": points,
        "measure": COMPARED.gain(name, DENSE),
        "rule": rule,
        "control": Control(
            "blocks aggregate, beside their input, the maps of another image",
            COMPARED.gain(f"broken {name}", DENSE),
        ),
        "footing": FOOTING,
        "needs": COMPARED.needs(),
    }


CLAIMS = (
    Claim(
        id="vovnet/osa-accuracy-deep",
        sentence="With one-shot aggregation of 12 layers, 20 wide, instead of its dense "
        "blocks, DenseNet-40 loses 1.2 points on CIFAR-10.",
        # three points are where the comparison would be lost
        **_accuracy(DEEP, 1.2, about(1.2, reproduced=0.5, partly=1.8)),
    ),
    Claim(
        id="vovnet/osa-accuracy-wide",
        sentence="With one-shot aggregation of 5 layers, 43 wide, instead of its dense "
        "blocks, DenseNet-40 loses 0.2 points on CIFAR-10.",
        **_accuracy(WIDE, 0.2, about(0.2, reproduced=0.5, partly=1.0)),
    ),
    Claim(
        id="vovnet/figure2-transition",
        paper="arXiv:1904.09730, Figure 2",
        sentence="What follows a block of one-shot aggregation reads all its layers strongly; what "
        "follows a dense block reads few of them.",
        protocol=f"{STAND_IN} Mean absolute weight of the layer behind a block over the maps of "
        "each source, as a share of the block's largest; mean of sources, blocks and seeds. The "
        "paper shows it in colours, without figures.",
        unit="mean strength in OSA of few wide layers / in DenseNet",
        measure=reading_over_dense(_trained),
        # a tenth is more than random weights differ by
        rule=at_least(1.2, 1.1),
        control=Control("the same networks before training", reading_over_dense(_untrained)),
        footing=FOOTING,
        needs=COMPARED.needs(None),
    ),
)
