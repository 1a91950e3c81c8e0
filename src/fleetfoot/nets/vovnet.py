"""VoVNet: stages of one-shot aggregation; VoVNetV2 adds eSE and shortcuts.

Paper    Lee et al., 2019, arXiv:1904.09730, Table 1 (`vovnet*`); V2 is Lee, Park, "CenterMask",
         2020, arXiv:1911.06667 (`ese_vovnet*`)
Departs  `vovnet39` and so on are the paper's: the third stem convolution has stride 1 and a
         pooling follows. `vovnet39a`, as timm and the authors' PyTorch code, strides there instead.
         `ese_vovnet39b`, as timm, has eSE in the last module of a stage; `ese_vovnet39`, as the
         authors' code, in every one. The layer of an eSE starts as torch's convolutions do
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from fleetfoot.blocks.kaiming import reset_kaiming
from fleetfoot.blocks.osa import OSA, separable
from fleetfoot.core.arguments import one_of, same_length
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import conv_norm_act, relu
from fleetfoot.ops.stochastic_depth import linear_rates

STEMS = ("pool", "stride")
PLACEMENTS = ("none", "last", "every")


@dataclass(frozen=True, kw_only=True)
class VoVNetSpec:
    """Everything that decides the shape of one member of the family."""

    modules: tuple[int, ...]  # of each stage
    layers: int = 5  # of each module
    widths: tuple[int, ...] = (128, 160, 192, 224)
    channels: tuple[int, ...] = (256, 512, 768, 1024)
    stem_channels: tuple[int, int, int] = (64, 64, 128)
    stem: str = "pool"
    shortcut: bool = False
    ese: str = "none"
    depthwise: bool = False

    def __post_init__(self) -> None:
        one_of(self.stem, STEMS, "stem")
        one_of(self.ese, PLACEMENTS, "ese")
        same_length(modules=self.modules, widths=self.widths, channels=self.channels)


def _second(spec: VoVNetSpec, ese: str) -> VoVNetSpec:
    """The form of VoVNetV2."""
    return replace(spec, stem="stride", shortcut=True, ese=ese)


def _separable(spec: VoVNetSpec) -> VoVNetSpec:
    return replace(spec, depthwise=True, stem_channels=(64, 64, 64))


SLIM = (64, 80, 96, 112)
V19 = _second(VoVNetSpec(modules=(1, 1, 1, 1), layers=3), "last")
V19_SLIM = replace(V19, widths=SLIM, channels=(112, 256, 384, 512))
V27_SLIM = VoVNetSpec(modules=(1, 1, 1, 1), widths=SLIM, channels=(128, 256, 384, 512))
V39 = VoVNetSpec(modules=(1, 1, 2, 2))
V57 = VoVNetSpec(modules=(1, 1, 4, 3))
V99 = VoVNetSpec(modules=(1, 3, 9, 3))
EVERY = "V2, eSE in every module, the authors' form"
LAST = "V2, eSE in the last module of a stage, timm's form"
in_timm = partial(Member, checked_against="timm")
V1 = {
    "vovnet27_slim": Member(V27_SLIM, 3_525_736, 2_870_328_320, "narrow; the paper's stem"),
    "vovnet39": Member(V39, 22_600_296, 7_765_860_352, "the paper's stem"),
    "vovnet57": Member(V57, 36_640_296, 9_623_777_280, "the paper's stem"),
    "vovnet39a": in_timm(replace(V39, stem="stride"), 22_600_296, 7_072_227_328, "strided stem"),
    "vovnet57a": in_timm(replace(V57, stem="stride"), 36_640_296, 8_930_144_256, "strided stem"),
}
V2 = {
    "ese_vovnet19b": Member(V19, 11_205_416, 4_121_937_920, "V2, one module a stage"),
    "ese_vovnet19b_dw": in_timm(_separable(V19), 6_543_080, 1_333_489_824, "V2, separable"),
    "ese_vovnet19b_slim": in_timm(V19_SLIM, 3_166_136, 1_680_214_784, "V2, narrow"),
    "ese_vovnet19b_slim_dw": in_timm(
        _separable(V19_SLIM), 1_897_752, 398_071_376, "V2, narrow and separable"
    ),
    "ese_vovnet39": Member(_second(V39, "every"), 26_209_128, 7_075_831_808, EVERY),
    "ese_vovnet57": Member(_second(V57, "every"), 42_479_912, 8_935_976_960, EVERY),
    "ese_vovnet99": Member(_second(V99, "every"), 70_548_520, 16_495_554_560, EVERY),
    "ese_vovnet39b": in_timm(_second(V39, "last"), 24_568_936, 7_074_193_408, LAST),
    "ese_vovnet57b": in_timm(_second(V57, "last"), 38_608_936, 8_932_110_336, LAST),
    "ese_vovnet99b": in_timm(_second(V99, "last"), 63_199_272, 16_488_214_528, LAST),
}


class VoVNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    Args:
        stem: "pool" or "stride", what halves the map before the first stage; None is the member's.
        shortcut: add the input of each module but the first of a stage to its output; None is the
            member's.
        ese: "none", "last" or "every" module of a stage scales its channels; None is the member's.
        drop_path: highest rate of stochastic depth; only modules with a shortcut can drop.
        dropout: rate before the classifier.

    Raises:
        UsageError: another word for ``stem`` or ``ese``.
    """

    def __init__(
        self,
        spec: VoVNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        stem: str | None = None,
        shortcut: bool | None = None,
        ese: str | None = None,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        given = {"stem": stem, "shortcut": shortcut, "ese": ese}
        spec = replace(spec, **{key: value for key, value in given.items() if value is not None})
        self.stem = _stem(spec, in_chans)
        self.stages = nn.Sequential()
        rates = iter(linear_rates(drop_path, sum(spec.modules)))
        in_channels = spec.stem_channels[-1]
        for stage, channels in enumerate(spec.channels):
            pools = stage > 0 or spec.stem == "pool"
            pool = nn.MaxPool2d(3, stride=2, ceil_mode=True) if pools else nn.Identity()
            blocks = nn.Sequential()
            for index in range(spec.modules[stage]):
                is_last = index == spec.modules[stage] - 1
                block = OSA(
                    in_channels,
                    spec.widths[stage],
                    channels,
                    layers=spec.layers,
                    depthwise=spec.depthwise,
                    ese=spec.ese == "every" or (spec.ese == "last" and is_last),
                    shortcut=spec.shortcut and index > 0,
                    drop_path=next(rates),
                )
                blocks.append(block)
                in_channels = channels
            self.stages.append(nn.Sequential(OrderedDict(pool=pool, blocks=blocks)))
        self.feature_info = tuple(FeatureInfo(i, c, 4 * 2**i) for i, c in enumerate(spec.channels))
        self.min_size = 32
        self.add_linear_head(in_channels, num_classes, dropout=dropout)
        reset_kaiming(self)


def _stem(spec: VoVNetSpec, in_chans: int) -> nn.Sequential:
    first, second, third = spec.stem_channels
    stride = 1 if spec.stem == "pool" else 2
    layers = [conv_norm_act(in_chans, first, stride=2, act=relu)]
    if spec.depthwise:
        layers += [separable(first, second), separable(second, third, stride=stride)]
    else:
        layers += [
            conv_norm_act(first, second, act=relu),
            conv_norm_act(second, third, stride=stride, act=relu),
        ]
    return nn.Sequential(*layers)


register_family(VoVNet, V1, paper="arXiv:1904.09730")
register_family(VoVNet, V2, paper="arXiv:1911.06667")
