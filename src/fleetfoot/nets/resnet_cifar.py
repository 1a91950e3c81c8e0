"""ResNets for CIFAR: three stages of n blocks of two, 6 n + 2 layers in all.

Paper    He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, section 4.2
Departs  nowhere: shortcuts are option A (identity, zeros for new channels), without parameters
Letters  N batch, H height, W width
"""

from dataclasses import dataclass

from torch import nn

from fleetfoot.blocks.residual import ResidualBlock, reset_residual_net
from fleetfoot.core.arguments import above_zero
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.stochastic_depth import linear_rates
from fleetfoot.ops.zero_shortcut import ZeroShortcut


@dataclass(frozen=True, kw_only=True)
class ResNetCifarSpec:
    """Everything that decides the shape of one member of the family."""

    blocks: int  # n, of each stage
    channels: tuple[int, ...] = (16, 32, 64)

    def scaled(self, *, width: float, depth: float) -> "ResNetCifarSpec":
        """Return a wider and deeper spec, channels and blocks rounded to the nearest."""
        above_zero(width, "width")
        above_zero(depth, "depth")
        channels = tuple(max(1, round(channels * width)) for channels in self.channels)
        return ResNetCifarSpec(blocks=max(1, round(self.blocks * depth)), channels=channels)


class ResNetCifar(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 4 times smaller.

    Args:
        zero_init_last: each block starts as its shortcut; the paper's blocks do not.
        drop_path: highest rate of stochastic depth, at the last block.
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: ResNetCifarSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        zero_init_last: bool = False,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels = spec.channels[0]
        self.stem = conv_norm_act(in_chans, channels)
        self.stages = nn.Sequential()
        rates = iter(linear_rates(drop_path, spec.blocks * len(spec.channels)))
        for width in spec.channels:
            blocks = nn.Sequential()
            for _ in range(spec.blocks):
                grows = width != channels
                blocks.append(
                    ResidualBlock(
                        channels,
                        width,
                        stride=2 if grows else 1,
                        shortcut=ZeroShortcut(width, 2) if grows else None,
                        drop_path=next(rates),
                    )
                )
                channels = width
            self.stages.append(blocks)
        self.feature_info = tuple(
            FeatureInfo(stage, width, 2**stage) for stage, width in enumerate(spec.channels)
        )
        self.min_size = 1
        self.add_linear_head(channels, num_classes, dropout=dropout)
        reset_residual_net(self, zero_init_last=zero_init_last)


def _member(blocks: int, params: int, macs: int) -> Member:
    note = f"{blocks} blocks a stage, for images of 32 pixels"
    return Member(ResNetCifarSpec(blocks=blocks), params, macs, note)


VARIANTS = {  # Table 6
    "resnet20_cifar": _member(3, 269_722, 40_551_040),
    "resnet56_cifar": _member(9, 853_018, 125_485_696),
    "resnet110_cifar": _member(18, 1_727_962, 252_887_680),
}
register_family(ResNetCifar, VARIANTS, paper="arXiv:1512.03385", input=(3, 32, 32), classes=10)
