"""What every classifier here offers, and the pyramid that detectors ask for."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from fleetfoot.core.arguments import rate
from fleetfoot.core.errors import UsageError


@dataclass(frozen=True)
class FeatureInfo:
    """One map of ``forward_features``."""

    stage: int  # index of the stage that puts the map out
    channels: int  # its channels
    reduction: int  # input pixels a position, along one axis


@dataclass(frozen=True)
class CreatedAs:
    """The arguments of `create` that decide a network; it carries them as `created_as`."""

    name: str
    num_classes: int
    in_chans: int
    options: dict[str, Any] = field(default_factory=dict[str, Any])


class Classifier(nn.Module):
    """Base of the networks for classification; images are (N, in_chans, H, W).

    A network is ``net(spec, num_classes, in_chans=3, **options)``: ``spec`` is the member of the
    family, and ``num_classes=0`` gives pooled features. Each class describes only its own options.

    A family sets the attributes in its ``__init__``. One whose head is not pool, flatten, dropout
    and classifier overrides `forward_pooled`.

    Attributes:
        stem: layers in front of the stages.
        stages: each puts out one map.
        pool: last map to one position a channel, with whatever the head has in front of that.
        flatten: (N, C, 1, 1) to (N, C).
        dropout: in front of the classifier.
        classifier: `nn.Linear`; an `nn.Conv2d` in networks that classify each position and
            average last; a binary layer and its norm in binary networks; `nn.Identity` for
            ``num_classes=0``.
        feature_info: the maps of `forward_features`, finest first.
        min_size: least height and width of an image.
        only_size: the one height and width of an image that the network takes, if there is one.
        exact_reduction: maps have floor to ceil of size / reduction positions along an axis;
            False where layers without padding make them smaller.
        created_as: what `create` made it by, if that made it.
        scaled_from: name of the network that it is a scaled form of, if it is one.
    """

    stem: nn.Module
    stages: nn.Sequential
    pool: nn.Module
    flatten: nn.Module
    dropout: nn.Module
    classifier: nn.Module
    feature_info: tuple[FeatureInfo, ...]
    min_size: int
    only_size: int | None = None
    exact_reduction: bool = True
    created_as: CreatedAs | None = None
    scaled_from: str | None = None

    def add_linear_head(self, channels: int, num_classes: int, *, dropout: float) -> None:
        """Set pool, flatten, dropout and classifier: the mean of the last map, a linear layer.

        Raises:
            UsageError: ``dropout`` is outside [0, 1).
        """
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = classifier_layer(channels, num_classes)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the maps that `feature_info` describes, finest first."""
        return stage_maps(self.stem, self.stages, self.feature_info, x)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier, (N, C).

        NIN and All-CNN classify each position of the last map before they average: for them this
        is the mean of the map in front of the class maps, and `forward` is not its classification.
        """
        return self.flatten(self.pool(self.forward_features(x)[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, num_classes), or what `forward_pooled` does for no classes."""
        return self.classifier(self.dropout(self.forward_pooled(x)))


def stage_maps(
    stem: nn.Module, stages: nn.Sequential, info: tuple[FeatureInfo, ...], x: Tensor
) -> list[Tensor]:
    """Return the maps that ``info`` names, finest first."""
    wanted = {item.stage for item in info}
    maps: list[Tensor] = []
    x = stem(x)
    for index, stage in enumerate(stages):
        x = stage(x)
        if index in wanted:
            maps.append(x)
    return maps


def check_size(net: nn.Module, size: int, *, name: str) -> None:
    """Refuse a side of the square input that a network cannot take.

    Raises:
        UsageError: below ``min_size``, or other than ``only_size``.
    """
    only, least = getattr(net, "only_size", None), getattr(net, "min_size", 1)
    if only is not None and size != only:
        raise UsageError(
            f"size = {size}: {name} takes images of {only} pixels alone; "
            f"give --size {only}, or another network"
        )
    if size < least:
        raise UsageError(
            f"size = {size}: {name} needs images of at least {least} pixels; "
            f"give --size {least} or more, or another network"
        )


def classifier_layer(features: int, num_classes: int) -> nn.Module:
    """Return the last linear layer, or the identity for ``num_classes=0``."""
    return nn.Linear(features, num_classes) if num_classes else nn.Identity()


class FeatureNet(nn.Module):
    """The stem and stages of a classifier: images to a list of maps, described by `feature_info`.

    Parameters keep the names they have in the classifier, so that its weights load; `created_as`
    is that of the classifier.
    """

    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.stem = net.stem
        self.stages = net.stages
        self.feature_info = net.feature_info
        self.min_size = net.min_size
        self.only_size = net.only_size
        self.exact_reduction = net.exact_reduction
        self.created_as = net.created_as

    def forward(self, x: Tensor) -> list[Tensor]:
        return stage_maps(self.stem, self.stages, self.feature_info, x)


def created_as(net: nn.Module) -> CreatedAs | None:
    """Return what `create` made a network by; None of any other module."""
    return net.created_as if isinstance(net, (Classifier, FeatureNet)) else None
