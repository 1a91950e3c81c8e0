"""FleetNet: a plain residual network for images of 8 to 64 pixels. Ours; no paper.

Form     a 3x3 convolution, then stages of convolution - batch norm - ReLU - 2x2 maximum, some of
         them followed by one residual pair of convolutions; global average; linear
Departs  from ResNet (He et al., 2015) as the fast CIFAR-10 nets do (Page, "How to train your
         ResNet", 2018): few, wide layers, since wide dense convolutions use a processor best
Letters  N batch, H height, W width
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, TypedDict, Unpack

from torch import Tensor, nn

from fleetfoot.core.registry import register_net
from fleetfoot.nets.protocol import FeatureInfo, classifier_layer, stage_maps
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.stochastic_depth import StochasticDepth, linear_rates


class Stage(NamedTuple):
    """One halving of the map."""

    channels: int  # at width 1
    residual: bool  # whether a residual pair follows


@dataclass(frozen=True, kw_only=True)
class FleetNetSpec:
    """Everything that decides the shape of one member of the family."""

    stem_channels: int
    stages: tuple[Stage, ...]


SMALL = FleetNetSpec(
    stem_channels=64, stages=(Stage(64, True), Stage(128, False), Stage(128, False))
)
FULL = FleetNetSpec(
    stem_channels=64, stages=(Stage(128, True), Stage(256, False), Stage(256, True))
)


class FleetNetOptions(TypedDict, total=False):
    """What `fleetfoot.create` passes on to `FleetNet`, by name."""

    width: float
    drop_path: float
    dropout: float


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)


class ResidualPair(nn.Module):
    """x + two convolutions of x, each with norm and ReLU; keeps the shape (N, channels, H, W)."""

    def __init__(self, channels: int, *, drop_path: float) -> None:
        super().__init__()
        self.first = conv_norm_act(channels, channels, act=_relu)
        self.second = conv_norm_act(channels, channels, act=_relu)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.second(self.first(x)))


class FleetNet(nn.Module):
    """Images (N, in_chans, H, W) to logits (N, num_classes); each stage halves the map.

    Args:
        spec: the member of the family.
        num_classes: 0 gives pooled features.
        in_chans: channels of the images.
        width: factor on all channels, which are then rounded up to a multiple of 16.
        drop_path: highest rate of stochastic depth, at the last residual pair.
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: FleetNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        width: float = 1.0,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels = scaled_channels(spec.stem_channels, width)
        self.stem = conv_norm_act(in_chans, channels, act=_relu)
        self.stages = nn.Sequential()
        rates = iter(linear_rates(drop_path, sum(stage.residual for stage in spec.stages)))
        info: list[FeatureInfo] = []
        for index, stage in enumerate(spec.stages):
            out_channels = scaled_channels(stage.channels, width)
            layers = nn.Sequential(conv_norm_act(channels, out_channels, act=_relu))
            layers.append(nn.MaxPool2d(2))
            if stage.residual:
                layers.append(ResidualPair(out_channels, drop_path=next(rates)))
            self.stages.append(layers)
            info.append(FeatureInfo(index, out_channels, 2 ** (index + 1)))
            channels = out_channels
        self.feature_info = tuple(info)
        self.min_size = info[-1].reduction
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier_layer(channels, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw convolutions after He et al. (fan-out, ReLU) and a small linear layer."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the maps of the stages, finest first; `feature_info` describes them."""
        return stage_maps(self.stem, self.stages, self.feature_info, x)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier."""
        return self.flatten(self.pool(self.forward_features(x)[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.forward_pooled(x)))


def scaled_channels(channels: int, width: float) -> int:
    """Return ``channels * width`` rounded up to a multiple of 16.

    >>> scaled_channels(64, 1.0), scaled_channels(64, 0.3)
    (64, 32)
    """
    return max(1, math.ceil(channels * width / 16)) * 16


# Counts are for 10 classes; a contract test recomputes each of them.
@register_net(
    paper="ours",
    checked_against="naive:tests/nets/test_fleetnet.py::check_against_naive",
    params=2_440_266,
    macs=284_887_552,
    input=(3, 32, 32),
    classes=10,
)
def fleetnet(
    num_classes: int = 10, in_chans: int = 3, **options: Unpack[FleetNetOptions]
) -> FleetNet:
    """For photographs of 32 pixels, such as CIFAR-10."""
    return FleetNet(FULL, num_classes, in_chans=in_chans, **options)


@register_net(
    paper="ours",
    checked_against="naive:tests/nets/test_fleetnet.py::check_against_naive",
    params=335_818,
    macs=86_705_408,
    input=(3, 32, 32),
    classes=10,
)
def fleetnet_small(
    num_classes: int = 10, in_chans: int = 3, **options: Unpack[FleetNetOptions]
) -> FleetNet:
    """For digits and other simple marks, 8 to 32 pixels."""
    return FleetNet(SMALL, num_classes, in_chans=in_chans, **options)
