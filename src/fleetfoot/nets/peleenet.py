"""PeleeNet: a DenseNet for phones, each layer looks at two scales; norms follow convolutions.

Paper    Wang, Li, Ling, "Pelee: A Real-Time Object Detection System on Mobile Devices", NeurIPS
         2018, arXiv:1804.06882, section 2 and Table 1
Departs  the stem's pooling rounds up, so that all image sizes fit; multiples of 4
         are not touched by it
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import same_length
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act, relu


@dataclass(frozen=True, kw_only=True)
class PeleeNetSpec:
    """Everything that decides the shape of one member of the family."""

    layers: tuple[int, ...] = (3, 4, 8, 6)
    bottleneck: tuple[int, ...] = (1, 2, 4, 4)  # of each block, times the channels of a way
    growth: int = 32
    stem_channels: int = 32
    dropout: float = 0.05

    def __post_init__(self) -> None:
        same_length(layers=self.layers, bottleneck=self.bottleneck)


def _unit(in_channels: int, channels: int, kernel_size: int, *, stride: int = 1) -> nn.Sequential:
    return conv_norm_act(in_channels, channels, kernel_size=kernel_size, stride=stride, act=relu)


def bottleneck_channels(in_channels: int, wanted: int) -> int:
    """Return the width of a way's 1x1 convolution: as wanted, but at most about half the input.

    >>> bottleneck_channels(128, 64), bottleneck_channels(32, 64)
    (64, 16)
    """
    return in_channels // 8 * 4 if wanted > in_channels / 2 else wanted


class Stem(nn.Module):
    """Images to maps of a quarter of the size: a pooling beside a convolution, then a mix."""

    def __init__(self, in_chans: int, channels: int) -> None:
        super().__init__()
        self.first = _unit(in_chans, channels, 3, stride=2)
        self.narrow = _unit(channels, channels // 2, 1)
        self.conv = _unit(channels // 2, channels, 3, stride=2)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.mix = _unit(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.mix(torch.cat((self.pool(x), self.conv(self.narrow(x))), dim=1))


class TwoWayLayer(nn.Module):
    """concat(x, one 3x3 convolution, two 3x3 convolutions): C to C + growth channels."""

    def __init__(self, in_channels: int, *, growth: int, bottleneck: int) -> None:
        super().__init__()
        half = growth // 2
        width = bottleneck_channels(in_channels, half * bottleneck)
        self.near = nn.Sequential(_unit(in_channels, width, 1), _unit(width, half, 3))
        self.far = nn.Sequential(
            _unit(in_channels, width, 1), _unit(width, half, 3), _unit(half, half, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.near(x), self.far(x)), dim=1)


class PeleeNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    Args:
        num_classes: 0 gives pooled features, (N, 704).
        dropout: rate before the classifier; None is the published 0.05.
    """

    def __init__(
        self,
        spec: PeleeNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        channels, info = spec.stem_channels, list[FeatureInfo]()
        self.stem = Stem(in_chans, channels)
        self.stages = nn.Sequential()
        for stage, (count, bottleneck) in enumerate(zip(spec.layers, spec.bottleneck)):
            pool = nn.AvgPool2d(2) if stage else nn.Identity()
            layers = nn.Sequential()
            for _ in range(count):
                layers.append(TwoWayLayer(channels, growth=spec.growth, bottleneck=bottleneck))
                channels += spec.growth
            mix = _unit(channels, channels, 1)
            self.stages.append(nn.Sequential(OrderedDict(pool=pool, layers=layers, mix=mix)))
            info.append(FeatureInfo(stage, channels, 4 * 2**stage))
        self.feature_info = tuple(info)
        self.min_size = info[-1].reduction
        self.add_linear_head(
            channels, num_classes, dropout=spec.dropout if dropout is None else dropout
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw convolutions from Kaiming's normal distribution over the outputs, as the authors."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)


PELEENET = Member(PeleeNetSpec(), 2_802_248, 507_757_568, "two ways a layer, conv before norm")
register_family(PeleeNet, {"peleenet": PELEENET}, paper="arXiv:1804.06882")
