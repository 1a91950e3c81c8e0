"""DenseNet: every layer reads all earlier maps of its block.

Paper    Huang et al., CVPR 2017, arXiv:1608.06993, Table 1 and section 4 (CIFAR);
         `densenet67` is the body of the small DSOD, Shen et al., 2017, arXiv:1708.01241
Departs  nowhere in 121 to 201 and 40. `densenet67` has no classifier of its own: the dense blocks
         are followed by DenseNet's, without the detector's last 1x1 convolution
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from fleetfoot.blocks.dense import DenseLayer, transition
from fleetfoot.blocks.kaiming import reset_kaiming
from fleetfoot.core.arguments import one_of, same_length
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act, relu


def _large_stem(in_chans: int, channels: int) -> nn.Sequential:
    stem = conv_norm_act(in_chans, channels, kernel_size=7, stride=2, act=relu)
    stem.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
    return stem


def _deep_stem(in_chans: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_act(in_chans, channels // 2, stride=2, act=relu),
        conv_norm_act(channels // 2, channels // 2, act=relu),
        conv_norm_act(channels // 2, channels, act=relu),
        POOLS["max"](),
    )


def _small_stem(in_chans: int, channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_chans, channels, 3, padding=1, bias=False)
    return nn.Sequential(OrderedDict(conv=conv))


STEMS = {"large": _large_stem, "deep": _deep_stem, "small": _small_stem}
POOLS = {
    "mean": lambda: nn.AvgPool2d(2),
    "max": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "none": nn.Identity,
}


@dataclass(frozen=True, kw_only=True)
class DenseNetSpec:
    """Everything that decides the shape of one member of the family."""

    growth: int  # k
    layers: tuple[int, ...]  # of each block
    stem: str = "large"  # one 7x7 convolution and pooling; "deep": three 3x3; "small": one 3x3
    stem_channels: int = 64
    bottleneck: int = 0  # width of the 1x1 convolutions; 0: none
    keep: float = 0.5  # theta, the share of channels that a transition keeps
    pools: tuple[str, ...] = ("mean", "mean", "mean")  # after each transition: mean, max, none

    def __post_init__(self) -> None:
        one_of(self.stem, STEMS, "stem")
        for pool in self.pools:
            one_of(pool, POOLS, "pool")
        same_length(transitions=self.layers[1:], pools=self.pools)


def _bc(params: int, macs: int, *, growth: int, layers: tuple[int, ...]) -> Member:
    spec = DenseNetSpec(
        growth=growth, layers=layers, stem_channels=2 * growth, bottleneck=4 * growth
    )
    return Member(spec, params, macs, f"k = {growth}", checked_against="torchvision")


DSOD_BODY = DenseNetSpec(
    growth=16,
    layers=(6, 8, 8, 8),
    stem="deep",
    stem_channels=128,
    bottleneck=64,
    keep=1.0,
    pools=("max", "max", "none"),
)
CIFAR = DenseNetSpec(
    growth=12,
    layers=(12, 12, 12),
    stem="small",
    stem_channels=16,
    keep=1.0,
    pools=("mean", "mean"),
)
ROWS = {
    "densenet121": _bc(7_978_856, 2_834_161_664, growth=32, layers=(6, 12, 24, 16)),
    "densenet161": _bc(28_681_000, 7_727_907_072, growth=48, layers=(6, 12, 36, 24)),
    "densenet169": _bc(14_149_480, 3_359_843_328, growth=32, layers=(6, 12, 32, 32)),
    "densenet201": _bc(20_013_928, 4_291_365_888, growth=32, layers=(6, 12, 48, 32)),
    "densenet67": Member(
        DSOD_BODY,
        2_122_760,
        2_378_749_696,
        "k = 16, body of a small DSOD",
        paper="arXiv:1708.01241",
    ),
    "densenet40": Member(
        CIFAR, 1_019_722, 264_812_928, "k = 12, for CIFAR", input=(3, 32, 32), classes=10
    ),
}


class DenseNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes).

    Args:
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: DenseNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = STEMS[spec.stem](in_chans, spec.stem_channels)
        channels, reduction = spec.stem_channels, 1 if spec.stem == "small" else 4
        self.stages = nn.Sequential()
        info: dict[int, FeatureInfo] = {}  # the last stage of each resolution
        for stage, count in enumerate(spec.layers):
            parts: OrderedDict[str, nn.Module] = OrderedDict()
            if stage:
                pool, kept = spec.pools[stage - 1], int(channels * spec.keep)
                parts["transition"] = transition(channels, kept, POOLS[pool]())
                channels, reduction = kept, reduction * (1 if pool == "none" else 2)
            parts["layers"] = nn.Sequential()
            for _ in range(count):
                parts["layers"].append(
                    DenseLayer(channels, growth=spec.growth, bottleneck=spec.bottleneck)
                )
                channels += spec.growth
            self.stages.append(nn.Sequential(parts))
            info[reduction] = FeatureInfo(stage, channels, reduction)
        self.feature_info = tuple(info.values())
        self.min_size = reduction
        self.head = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(channels), act=relu()))
        self.add_linear_head(channels, num_classes, dropout=dropout)
        reset_kaiming(self)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier."""
        return self.flatten(self.pool(self.head(self.forward_features(x)[-1])))


register_family(DenseNet, ROWS, paper="arXiv:1608.06993")
