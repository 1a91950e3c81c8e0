"""The one shape of MobileNet V1 to V3, MnasNet and EfficientNet, and the rule that scales it.

stem 3x3, stride 2 -> stages of inverted residuals -> 1x1 head -> mean -> (1x1) -> linear layer

Paper    Tan, Le, "EfficientNet", ICML 2019, arXiv:1905.11946, section 3.3, for the scaling;
         `mobilenet_v1`, `mobilenet_v2`, `mobilenet_v3`, `mnasnet`, `efficientnet` hold the tables
Departs  batch norm momentum is torch's 0.1 throughout (TensorFlow's 0.99 would be 0.01); first
         weights of all families are EfficientNet's, as in timm (`reset_mobile_net`)
Letters  N batch, H height, W width
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace

from torch import Tensor, nn

from fleetfoot.blocks.inverted_residual import Form, InvertedResidual, Row, reset_mobile_net
from fleetfoot.core.arguments import above_zero, one_of, rate
from fleetfoot.core.rounding import round_channels
from fleetfoot.nets.protocol import Classifier, FeatureInfo, classifier_layer
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.stochastic_depth import linear_rates

Stage = tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class MobileNetSpec:
    """Everything that decides the shape of one network.

    Attributes:
        stages: the paper's table; a stage is a row, or several that differ.
        form: activation, gate, padding and norm of all layers.
        stem: channels of the first convolution.
        head: channels of the 1x1 convolution before the mean; 0 is none.
        hidden: channels of a 1x1 convolution with bias after the mean; 0 is none.
        dropout: published rate before the classifier.
        drop_path: published rate of stochastic depth.
        fixed: what `scaled` leaves alone: "stem", "head", "ends" (layers of the outer stages).
        least_head: the head is never scaled below this.

    Raises:
        UsageError: another word in ``fixed``.
    """

    stages: tuple[Stage, ...]
    form: Form
    stem: int = 32
    head: int = 1280
    hidden: int = 0
    dropout: float = 0.2
    drop_path: float = 0.0
    fixed: tuple[str, ...] = ()
    least_head: int = 0

    def __post_init__(self) -> None:
        for word in self.fixed:
            one_of(word, ("stem", "head", "ends"), "fixed")

    def scaled(self, *, width: float, depth: float) -> "MobileNetSpec":
        """Return a wider and deeper spec: channels in multiples of 8, layers rounded up.

        Raises:
            UsageError: a factor is not positive.
        """
        above_zero(width, "width")
        above_zero(depth, "depth")
        last = len(self.stages) - 1
        stages = tuple(
            _scaled_stage(stage, width, 1.0 if "ends" in self.fixed and i in (0, last) else depth)
            for i, stage in enumerate(self.stages)
        )
        head = max(self.least_head, round_channels(self.head * width)) if self.head else 0
        return replace(
            self,
            stages=stages,
            stem=self.stem if "stem" in self.fixed else round_channels(self.stem * width),
            head=self.head if "head" in self.fixed else head,
        )

    def of_tensorflow(self) -> "MobileNetSpec":
        """Return the spec whose padding and norms suit weights trained in TensorFlow."""
        return replace(self, form=self.form.of_tensorflow())


def _scaled_stage(stage: Stage, width: float, depth: float) -> Stage:
    """Return the rows of a stage scaled; what it gains or loses in layers is at its end."""
    left = math.ceil(sum(row.layers for row in stage) * depth)
    rows: list[Row] = []
    for index, row in enumerate(stage):
        layers = left if index == len(stage) - 1 else min(row.layers, left)
        left -= layers
        rows.append(row._replace(channels=round_channels(row.channels * width), layers=layers))
    return tuple(row for row in rows if row.layers)


class MobileNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    A family is a table of specs for this class.

    Args:
        drop_path: rate of stochastic depth that block i of B reaches i / B of; None is the
            published one.
        dropout: rate before the classifier; None is the published one.
        norm_eps: of the batch norms; None is the form's. Weights of torchvision need 1e-3 where
            it builds with that: MobileNetV3 and EfficientNet B5 to B7.
        padding: "symmetric", or "same" for TensorFlow's, which weights trained there need
            together with ``norm_eps=1e-3``; None is the form's: "same" where the name begins
            with ``tf_``, else "symmetric".

    Raises:
        UsageError: a rate outside [0, 1), an eps that is not positive, another word for padding.
    """

    def __init__(
        self,
        spec: MobileNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        drop_path: float | None = None,
        dropout: float | None = None,
        norm_eps: float | None = None,
        padding: str | None = None,
    ) -> None:
        super().__init__()
        form = _form(spec.form, norm_eps, padding)
        act, eps = form.act, form.eps
        self.stem = conv_norm_act(
            in_chans, spec.stem, stride=2, act=act, padding=form.padding, eps=eps
        )
        drop_rate = spec.drop_path if drop_path is None else drop_path
        self.stages, channels = _stages(spec, form, drop_rate)
        self.feature_info = _feature_info(spec)
        self.min_size = 1
        self.head = (
            conv_norm_act(channels, spec.head, kernel_size=1, act=act, eps=eps)
            if spec.head
            else nn.Identity()
        )
        channels = spec.head or channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden = (
            nn.Sequential(OrderedDict(conv=nn.Conv2d(channels, spec.hidden, 1), act=act()))
            if spec.hidden
            else nn.Identity()
        )
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(rate(spec.dropout if dropout is None else dropout, "dropout"))
        self.classifier = classifier_layer(spec.hidden or channels, num_classes)
        reset_mobile_net(self)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier."""
        return self.flatten(self.hidden(self.pool(self.head(self.forward_features(x)[-1]))))


def _form(form: Form, norm_eps: float | None, padding: str | None) -> Form:
    """Return the form with what the caller says otherwise."""
    eps = form.eps if norm_eps is None else above_zero(norm_eps, "norm_eps")
    return replace(form, eps=eps, padding=form.padding if padding is None else padding)


def _stages(spec: MobileNetSpec, form: Form, drop_path: float) -> tuple[nn.Sequential, int]:
    """Return the stages and the channels of the last map."""
    blocks = sum(row.layers for stage in spec.stages for row in stage)
    rates = iter(linear_rates(drop_path, blocks, below=True))
    stages, channels = nn.Sequential(), spec.stem
    for rows in spec.stages:
        stage = nn.Sequential()
        for row in rows:
            for layer in range(row.layers):
                stride = row.stride if layer == 0 else 1
                stage.append(
                    InvertedResidual(channels, row, form, stride=stride, drop_path=next(rates))
                )
                channels = row.channels
        stages.append(stage)
    return stages, channels


def _feature_info(spec: MobileNetSpec) -> tuple[FeatureInfo, ...]:
    """Return the last stage of each resolution."""
    found: dict[int, FeatureInfo] = {}
    reduction = 2
    for index, stage in enumerate(spec.stages):
        reduction *= math.prod(row.stride for row in stage)
        found[reduction] = FeatureInfo(index, stage[-1].channels, reduction)
    return tuple(found.values())
