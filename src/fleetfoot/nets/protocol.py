"""What every classifier here offers, and the pyramid that detectors ask for.

A classifier has ``stem``, ``stages`` (an `nn.Sequential`), ``feature_info``, ``forward_features``,
``forward_pooled``, ``classifier`` and ``min_size``: `Classifier` writes that down.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class FeatureInfo:
    """One map of ``forward_features``.

    Attributes:
        stage: index of the stage that puts the map out.
        channels: its channels.
        reduction: input pixels a position, along one axis.
    """

    stage: int
    channels: int
    reduction: int


class Classifier(Protocol):
    """The protocol of a network for classification; images are (N, C, H, W)."""

    stem: nn.Module
    stages: nn.Sequential
    classifier: nn.Module
    feature_info: tuple[FeatureInfo, ...]
    min_size: int

    def forward(self, x: Tensor) -> Tensor: ...
    def forward_features(self, x: Tensor) -> list[Tensor]: ...
    def forward_pooled(self, x: Tensor) -> Tensor: ...


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


def classifier_layer(features: int, num_classes: int) -> nn.Module:
    """Return the last linear layer, or the identity for ``num_classes=0``."""
    return nn.Linear(features, num_classes) if num_classes else nn.Identity()


class FeatureNet(nn.Module):
    """The stem and stages of a classifier: images to a list of maps, described by `feature_info`.

    Parameters keep the names they have in the classifier, so that its weights load.
    """

    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.stem = net.stem
        self.stages = net.stages
        self.feature_info = net.feature_info
        self.min_size = net.min_size

    def forward(self, x: Tensor) -> list[Tensor]:
        return stage_maps(self.stem, self.stages, self.feature_info, x)
