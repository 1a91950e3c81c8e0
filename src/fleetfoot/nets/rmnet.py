"""RMRep: RepVGG blocks in turn with blocks that hand some channels on; a plain net once merged.

Paper    Meng et al., "RMNet", 2021, arXiv:2111.00687, the RepVGG experiment; depths and ratios are
         those of the README of the authors' repository
Departs  filters start as He's normal (fan-out), where the authors leave torch's default. These are
         the networks as trained; merging each block into one 3x3 convolution, which is exact, will
         be a later pass. `repvgg_*` are the same networks with ratio 0 (their depths are not those
         of the RepVGG paper). RMNeXt, the paper's networks of bottlenecks, is left out
Letters  N batch, H height, W width
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fleetfoot.blocks.residual import reset_residual_net
from fleetfoot.core.arguments import at_least, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act, relu


@dataclass(frozen=True, kw_only=True)
class RMRepSpec:
    """Everything that decides the shape of one member of the family."""

    pairs: int  # of blocks, in each stage
    ratio: float  # rho, the share of channels that the first block of a pair hands on
    channels: tuple[int, ...] = (64, 128, 256, 512)

    def __post_init__(self) -> None:
        rate(self.ratio, "ratio")
        at_least(0, self.pairs, "pairs")


class RepBlock(nn.Module):
    """relu(3x3 + 1x1 + identity), each with its norm; the first ``kept`` channels pass unchanged.

    What enters a block that keeps channels must come out of a ReLU, which leaves them as they are.

    Args:
        in_channels: C of the input (N, C, H, W).
        channels: of the output, with the kept ones.
        stride: of both convolutions; the identity needs 1 and equal channels.
        kept: channels handed on.
    """

    def __init__(self, in_channels: int, channels: int, *, stride: int = 1, kept: int = 0) -> None:
        super().__init__()
        computed = channels - kept
        self.kept = kept
        self.wide = conv_norm_act(in_channels, computed, stride=stride, act=None)
        self.point = conv_norm_act(in_channels, computed, kernel_size=1, stride=stride, act=None)
        adds_input = stride == 1 and in_channels == channels
        self.skip = nn.BatchNorm2d(computed) if adds_input else None
        self.act = relu()

    def forward(self, x: Tensor) -> Tensor:
        y = self.wide(x) + self.point(x)
        if self.skip is not None:
            y = y + self.skip(x[:, self.kept :])
        return self.act(torch.cat((x[:, : self.kept], y), dim=1) if self.kept else y)


class RMRep(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    Args:
        small_images: one block of stride 1 as the stem instead of two of stride 2, as the authors
            do for CIFAR; all maps are four times larger.
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: RMRepSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        small_images: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, reduction = spec.channels[0], 1 if small_images else 4
        self.stem = nn.Sequential(RepBlock(in_chans, channels, stride=1 if small_images else 2))
        if not small_images:
            self.stem.append(RepBlock(channels, channels, stride=2))
        self.stages = nn.Sequential()
        for width in spec.channels:
            blocks = nn.Sequential()
            if width != channels:
                blocks.append(RepBlock(channels, width, stride=2))
            for _ in range(spec.pairs):
                blocks.append(RepBlock(width, width, kept=int(width * spec.ratio)))
                blocks.append(RepBlock(width, width))
            self.stages.append(blocks)
            channels = width
        self.feature_info = tuple(
            FeatureInfo(stage, width, reduction * 2**stage)
            for stage, width in enumerate(spec.channels)
        )
        self.min_size = 1
        self.add_linear_head(channels, num_classes, dropout=dropout)
        reset_residual_net(self, zero_init_last=False)


def _member(pairs: int, ratio: float, params: int, macs: int) -> Member:
    kept = f"{ratio:.0%} of the channels handed on" if ratio else "the network without RM blocks"
    note = f"{5 + 8 * pairs} layers, {kept}"
    return Member(RMRepSpec(pairs=pairs, ratio=ratio), params, macs, note)


VARIANTS = {
    "repvgg_21": _member(2, 0.0, 16_229_736, 2_400_931_840),
    "repvgg_37": _member(4, 0.0, 30_179_176, 4_456_140_800),
    "repvgg_69": _member(8, 0.0, 58_078_056, 8_566_558_720),
    "repvgg_133": _member(16, 0.0, 113_875_816, 16_787_394_560),
    "rmrep_21": _member(2, 0.25, 14_486_056, 2_144_030_720),
    "rmrep_37": _member(4, 0.25, 26_691_816, 3_942_338_560),
    "rmrep_69": _member(8, 0.5, 44_128_616, 6_511_349_760),
    "rmrep_133": _member(16, 0.75, 72_027_496, 10_621_767_680),
}
register_family(RMRep, VARIANTS, paper="arXiv:2111.00687")
