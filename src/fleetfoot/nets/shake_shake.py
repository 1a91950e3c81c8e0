"""Shake-Shake ResNets for CIFAR: two residual branches in each block, mixed at random in training.

Paper    Gastaldi, "Shake-Shake regularization", 2017, arXiv:1705.07485, sections 2.1 and 3.1
Departs  nowhere; the mixing is `ops.shake_shake`, and its words are options
Letters  N batch, C channels, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.shake_shake import Backward, Forward, Level, ShakeShake

STEM = 16


@dataclass(frozen=True, kw_only=True)
class ShakeShakeSpec:
    """Everything that decides the shape of one member of the family."""

    width: int  # of the first stage; each next one has twice as many
    stages: int = 3
    blocks: int = 4  # of each stage


class TwoPathShortcut(nn.Module):
    """Fewer positions and other channels: half of them see the map shifted by one position."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.act = nn.ReLU()
        self.here = nn.Conv2d(in_channels, channels // 2, 1, bias=False)
        self.shifted = nn.Conv2d(in_channels, channels - channels // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x, step = self.act(x), self.stride
        moved = F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))
        paths = self.here(x[:, :, ::step, ::step]), self.shifted(moved[:, :, ::step, ::step])
        return self.norm(torch.cat(paths, dim=1))


def branch(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Return ReLU, convolution, norm, ReLU, convolution, norm."""
    return nn.Sequential(
        OrderedDict(
            act=nn.ReLU(),
            conv1=conv_norm_act(in_channels, channels, stride=stride),
            conv2=conv_norm_act(channels, channels, act=None),
        )
    )


class ShakeShakeBlock(nn.Module):
    """x + a share of the first branch + the rest of the second."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, mix: ShakeShake) -> None:
        super().__init__()
        self.first = branch(in_channels, channels, stride)
        self.second = branch(in_channels, channels, stride)
        self.mix = mix
        self.shortcut = (
            nn.Identity()
            if in_channels == channels
            else TwoPathShortcut(in_channels, channels, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.mix(self.first(x), self.second(x))


class ShakeShakeNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); each stage but the first halves.

    Args:
        forward_share: share of the branches in training: "shake" or "even".
        backward_share: of their gradients: "shake", "even" or "keep".
        level: one share an "image" or a "batch".
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: ShakeShakeSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        forward_share: Forward = "shake",
        backward_share: Backward = "shake",
        level: Level = "image",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_chans, STEM, 3, padding=1, bias=False)
        self.stages = nn.Sequential()
        channels = STEM
        widths = [spec.width * 2**stage for stage in range(spec.stages)]
        for stage, width in enumerate(widths):
            blocks = nn.Sequential()
            for index in range(spec.blocks):
                mix = ShakeShake(forward=forward_share, backward=backward_share, level=level)
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(ShakeShakeBlock(channels, width, stride=stride, mix=mix))
                channels = width
            self.stages.append(blocks)
        self.feature_info = tuple(FeatureInfo(s, width, 2**s) for s, width in enumerate(widths))
        self.min_size = 2 ** (spec.stages - 1)
        self.add_linear_head(channels, num_classes, dropout=dropout)
        self.pool = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _member(width: int, params: int, macs: int) -> Member:
    note = f"26 layers, two branches of {width} channels in the first stage"
    return Member(ShakeShakeSpec(width=width), params, macs, note)


VARIANTS = {  # Table 1
    "shake_shake_26_2x32d": _member(32, 2_923_130, 426_689_792),
    "shake_shake_26_2x64d": _member(64, 11_653_946, 1_685_506_560),
    "shake_shake_26_2x96d": _member(96, 26_192_890, 3_776_892_672),
}
register_family(ShakeShakeNet, VARIANTS, paper="arXiv:1705.07485", input=(3, 32, 32), classes=10)
