"""EfficientNet-Lite: inverted residuals with ReLU6, without squeeze-and-excitation.

Paper    Tan, Le, "EfficientNet", ICML 2019, arXiv:1905.11946; `STAGES` is its Table 1. The
         Lite form is that of the repository tensorflow/tpu, models/official/efficientnet/lite
Departs  `efficientnet_lite*` pads symmetrically and has eps 1e-5 (timm's form); `tf_*` is the
         original: SAME padding, eps 1e-3. Batch norm momentum is torch's 0.1 in both
Letters  N batch, H height, W width
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor, nn

from fleetfoot.core.registry import Member, register_family
from fleetfoot.core.rounding import round_channels
from fleetfoot.nets.protocol import FeatureInfo, classifier_layer, stage_maps
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.stochastic_depth import StochasticDepth


class Stage(NamedTuple):
    """One row of the table."""

    expand: int  # e in the paper
    channels: int  # before the width multiplier
    layers: int  # before the depth multiplier
    stride: int  # of the first layer only
    kernel_size: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)
FEATURE_STAGES = (0, 1, 2, 4, 6)  # the last stage of each resolution


@dataclass(frozen=True)
class Form:
    """How a family member pads and normalises: the one difference between the two forms."""

    padding: str
    eps: float


TIMM_FORM = Form(padding="symmetric", eps=1e-5)
TENSORFLOW_FORM = Form(padding="same", eps=1e-3)


@dataclass(frozen=True, kw_only=True)
class EfficientNetLiteSpec:
    """Everything that decides the shape of one member of the family."""

    width: float
    depth: float
    dropout: float
    form: Form = TIMM_FORM
    drop_path: float = 0.2
    stem_channels: int = 32  # not scaled in the Lite form, nor is the head
    head_channels: int = 1280

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The scaled table; the first and the last stage keep one layer."""
        last = len(STAGES) - 1
        return tuple(
            stage._replace(
                channels=round_channels(stage.channels * self.width),
                layers=stage.layers if i in (0, last) else math.ceil(stage.layers * self.depth),
            )
            for i, stage in enumerate(STAGES)
        )


VARIANTS = {
    0: EfficientNetLiteSpec(width=1.0, depth=1.0, dropout=0.2),
    1: EfficientNetLiteSpec(width=1.0, depth=1.1, dropout=0.2),
    2: EfficientNetLiteSpec(width=1.1, depth=1.2, dropout=0.3),
}


def _relu6() -> nn.Module:
    return nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; the input is added where the shape is kept."""

    def __init__(
        self, in_channels: int, stage: Stage, form: Form, *, stride: int, drop_path: float
    ) -> None:
        super().__init__()
        hidden, eps = in_channels * stage.expand, form.eps
        self.expand = (
            nn.Identity()
            if stage.expand == 1
            else conv_norm_act(in_channels, hidden, kernel_size=1, act=_relu6, eps=eps)
        )
        self.depthwise = conv_norm_act(
            hidden,
            hidden,
            kernel_size=stage.kernel_size,
            stride=stride,
            groups=hidden,
            act=_relu6,
            padding=form.padding,
            eps=eps,
        )
        self.project = conv_norm_act(hidden, stage.channels, kernel_size=1, act=None, eps=eps)
        self.adds_input = stride == 1 and in_channels == stage.channels
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.project(self.depthwise(self.expand(x)))
        return x + self.drop_path(branch) if self.adds_input else branch


class EfficientNetLite(nn.Module):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    Args:
        spec: the member of the family.
        num_classes: 0 gives pooled features, (N, 1280).
        in_chans: channels of the images.
        drop_path: rate of stochastic depth that block i of B reaches i / B of; None is the
            paper's 0.2.
        dropout: rate before the classifier; None is the published one.
    """

    def __init__(
        self,
        spec: EfficientNetLiteSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        drop_path: float | None = None,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        channels, form = spec.stem_channels, spec.form
        self.stem = conv_norm_act(
            in_chans, channels, stride=2, act=_relu6, padding=form.padding, eps=form.eps
        )
        self.stages = nn.Sequential()
        rate = spec.drop_path if drop_path is None else drop_path
        blocks = sum(stage.layers for stage in spec.stages)
        index = 0
        for stage in spec.stages:
            layers = nn.Sequential()
            for layer in range(stage.layers):
                stride = stage.stride if layer == 0 else 1
                layers.append(
                    InvertedResidual(
                        channels, stage, form, stride=stride, drop_path=rate * index / blocks
                    )
                )
                channels, index = stage.channels, index + 1
            self.stages.append(layers)
        self.feature_info = tuple(
            FeatureInfo(stage, spec.stages[stage].channels, 2 ** (level + 1))
            for level, stage in enumerate(FEATURE_STAGES)
        )
        self.min_size = 1
        self.head = conv_norm_act(
            channels, spec.head_channels, kernel_size=1, act=_relu6, eps=form.eps
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(spec.dropout if dropout is None else dropout)
        self.classifier = classifier_layer(spec.head_channels, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights as the original does; a depthwise filter's fan-out is its area alone."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the last map of each resolution, finest first; `feature_info` describes them."""
        return stage_maps(self.stem, self.stages, self.feature_info, x)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier, (N, 1280)."""
        return self.flatten(self.pool(self.head(self.forward_features(x)[-1])))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.forward_pooled(x)))


# Counts are for 1000 classes at the native size; a contract test recomputes each of them.
register_family(
    EfficientNetLite,
    paper="arXiv:1905.11946",
    members={
        "efficientnet_lite0": Member(
            spec=VARIANTS[0],
            params=4_652_008,
            macs=385_187_552,
            input=(3, 224, 224),
            checked_against="timm:efficientnet_lite0",
            note="Lite0, the baseline; symmetric padding",
        ),
        "efficientnet_lite1": Member(
            spec=VARIANTS[1],
            params=5_416_680,
            macs=600_185_232,
            input=(3, 240, 240),
            checked_against="timm:efficientnet_lite1",
            note="Lite1, 1.1 times deeper; symmetric padding",
        ),
        "efficientnet_lite2": Member(
            spec=VARIANTS[2],
            params=6_092_072,
            macs=859_736_272,
            input=(3, 260, 260),
            checked_against="timm:efficientnet_lite2",
            note="Lite2, 1.1 times wider, 1.2 times deeper; symmetric padding",
        ),
        "tf_efficientnet_lite0": Member(
            spec=replace(VARIANTS[0], form=TENSORFLOW_FORM),
            params=4_652_008,
            macs=385_187_552,
            input=(3, 224, 224),
            checked_against="timm:tf_efficientnet_lite0",
            weights="efficientnet_lite0",
            note="Lite0, the baseline; SAME padding, as its trained weights need",
        ),
        "tf_efficientnet_lite1": Member(
            spec=replace(VARIANTS[1], form=TENSORFLOW_FORM),
            params=5_416_680,
            macs=600_185_232,
            input=(3, 240, 240),
            checked_against="timm:tf_efficientnet_lite1",
            weights="efficientnet_lite1",
            note="Lite1, 1.1 times deeper; SAME padding, as its trained weights need",
        ),
        "tf_efficientnet_lite2": Member(
            spec=replace(VARIANTS[2], form=TENSORFLOW_FORM),
            params=6_092_072,
            macs=859_736_272,
            input=(3, 260, 260),
            checked_against="timm:tf_efficientnet_lite2",
            weights="efficientnet_lite2",
            note="Lite2, 1.1 wider, 1.2 deeper; SAME padding, as its trained weights need",
        ),
    },
)
