"""ResNet: stages of residual blocks, each stage half the size and twice the channels.

Paper    He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385; `VARIANTS` is its Table 1
Departs  bottlenecks stride in the 3x3 convolution (timm's and torchvision's form); shortcuts are
         option B: a 1x1 convolution where the shape changes, else the identity
Letters  N batch, H height, W width
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace

from torch import nn

from fleetfoot.blocks.residual import EXPANSION, ResidualBlock, reset_residual_net
from fleetfoot.core.arguments import above_zero, same_length
from fleetfoot.core.registry import Member, register_family
from fleetfoot.core.rounding import round_channels
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.stochastic_depth import linear_rates


@dataclass(frozen=True, kw_only=True)
class ResNetSpec:
    """Everything that decides the shape of one member of the family."""

    blocks: tuple[int, ...]  # of each stage
    bottleneck: bool
    stem_channels: int = 64
    channels: tuple[int, ...] = (64, 128, 256, 512)  # of the 3x3 convolutions of each stage

    def __post_init__(self) -> None:
        same_length(blocks=self.blocks, channels=self.channels)

    def scaled(self, *, width: float, depth: float) -> "ResNetSpec":
        """Return a wider and deeper spec: channels in multiples of 8, blocks rounded up.

        >>> spec = ResNetSpec(blocks=(2, 2, 2, 2), bottleneck=False).scaled(width=1.1, depth=1.2)
        >>> spec.blocks, spec.stem_channels, spec.channels
        ((3, 3, 3, 3), 72, (72, 144, 280, 560))

        Raises:
            UsageError: a factor is not positive.
        """
        above_zero(width, "width")
        above_zero(depth, "depth")
        return replace(
            self,
            blocks=tuple(math.ceil(count * depth) for count in self.blocks),
            stem_channels=round_channels(self.stem_channels * width),
            channels=tuple(round_channels(channels * width) for channels in self.channels),
        )


def _member(blocks: tuple[int, ...], kind: str, params: int, macs: int) -> Member:
    spec = ResNetSpec(blocks=blocks, bottleneck=kind == "bottlenecks")
    return Member(spec, params, macs, f"{sum(blocks)} {kind}", checked_against="timm")


VARIANTS = {
    "resnet18": _member((2, 2, 2, 2), "blocks of two", 11_689_512, 1_814_073_344),
    "resnet34": _member((3, 4, 6, 3), "blocks of two", 21_797_672, 3_663_761_408),
    "resnet50": _member((3, 4, 6, 3), "bottlenecks", 25_557_032, 4_089_184_256),
    "resnet101": _member((3, 4, 23, 3), "bottlenecks", 44_549_160, 7_801_405_440),
    "resnet152": _member((3, 8, 36, 3), "bottlenecks", 60_192_808, 11_513_626_624),
}


class ResNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    Args:
        zero_init_last: each block starts as its shortcut; the paper's blocks do not.
        drop_path: highest rate of stochastic depth, at the last block.
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: ResNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        zero_init_last: bool = False,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, expansion = spec.stem_channels, EXPANSION if spec.bottleneck else 1
        self.stem = nn.Sequential(
            OrderedDict(
                first=conv_norm_act(in_chans, channels, kernel_size=7, stride=2),
                pool=nn.MaxPool2d(3, stride=2, padding=1),
            )
        )
        self.stages = nn.Sequential()
        rates = iter(linear_rates(drop_path, sum(spec.blocks)))
        for stage, (width, count) in enumerate(zip(spec.channels, spec.blocks)):
            blocks = nn.Sequential()
            for block in range(count):
                blocks.append(
                    ResidualBlock(
                        channels,
                        width,
                        stride=2 if stage and block == 0 else 1,
                        bottleneck=spec.bottleneck,
                        drop_path=next(rates),
                    )
                )
                channels = width * expansion
            self.stages.append(blocks)
        self.feature_info = tuple(
            FeatureInfo(stage, width * expansion, 4 * 2**stage)
            for stage, width in enumerate(spec.channels)
        )
        self.min_size = 1
        self.add_linear_head(channels, num_classes, dropout=dropout)
        reset_residual_net(self, zero_init_last=zero_init_last)


register_family(ResNet, VARIANTS, paper="arXiv:1512.03385")
