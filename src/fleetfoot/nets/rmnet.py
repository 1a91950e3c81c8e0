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
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.blocks.residual import reset_residual_net
from fleetfoot.core.arguments import at_least, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act, relu


class Variant(NamedTuple):
    """One row of the README, with its counts as trained for 1000 classes at 224 x 224."""

    pairs: int
    ratio: float
    params: int
    macs: int


VARIANTS = {
    "repvgg_21": Variant(2, 0.0, 16_229_736, 2_400_931_840),
    "repvgg_37": Variant(4, 0.0, 30_179_176, 4_456_140_800),
    "repvgg_69": Variant(8, 0.0, 58_078_056, 8_566_558_720),
    "repvgg_133": Variant(16, 0.0, 113_875_816, 16_787_394_560),
    "rmrep_21": Variant(2, 0.25, 14_486_056, 2_144_030_720),
    "rmrep_37": Variant(4, 0.25, 26_691_816, 3_942_338_560),
    "rmrep_69": Variant(8, 0.5, 44_128_616, 6_511_349_760),
    "rmrep_133": Variant(16, 0.75, 72_027_496, 10_621_767_680),
}


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
        spec: the member of the family.
        num_classes: 0 gives pooled features.
        in_chans: channels of the images.
        small_images: one block of stride 1 as the stem in place of two of stride 2, as the authors
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


register_family(
    RMRep,
    paper="arXiv:2111.00687",
    members={
        name: Member(
            spec=RMRepSpec(pairs=row.pairs, ratio=row.ratio),
            params=row.params,
            macs=row.macs,
            checked_against="naive:tests/nets/test_rmnet.py::check_against_naive",
            note=f"{5 + 8 * row.pairs} layers, {row.ratio:.0%} of the channels handed on"
            if row.ratio
            else f"{5 + 8 * row.pairs} layers, the network without RM blocks",
        )
        for name, row in VARIANTS.items()
    },
)
