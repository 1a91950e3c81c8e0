"""FleetNet: a plain network for images of 8 to 64 pixels, trained from nothing in minutes.

Paper    none, ours; the shape follows Page, "How to train your ResNet", 2018, and Jordan, 2024,
         arXiv:2404.00498: few wide 3x3 layers, pooling before the norm, a maximum at the end
Departs  3x3 whitened filters, padded; channels in whole tiles of 32, which matrix units want.
         Without shortcuts: with them it learned more slowly (docs/decisions/0012)
Letters  N batch, C channels, H height, W width
"""

import math
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import above_zero, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo, classifier_layer

TILE = 32
PATCH_BYTES = 2**28  # that whitening holds at one time
POOLED_SCALE = 0.125  # keeps the first logits, and with them the first gradients, small


@dataclass(frozen=True, kw_only=True)
class FleetNetSpec:
    """Everything that decides the shape of one member of the family."""

    stem: int = 32
    stages: tuple[int, ...]


class ConvNorm(nn.Module):
    """3x3 convolution, halving by maximum on request, batch norm, GELU.

    In training the maximum comes before the norm, which then has a quarter of the work. A maximum
    commutes with a positive scale, so the scale of such a norm is fixed at one; evaluation runs
    the norm first, next to the convolution it folds into, and computes the same function.
    """

    def __init__(self, in_channels: int, channels: int, *, halve: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.pool = nn.MaxPool2d(2, ceil_mode=True) if halve else nn.Identity()
        self.act = nn.GELU()
        nn.init.dirac_(self.conv.weight[: min(in_channels, channels)])  # starts as a copy
        if halve:
            self.norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.act(self.norm(self.pool(x)) if self.training else self.pool(self.norm(x)))


class FleetNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); each stage halves the map.

    Args:
        width: factor on all channels, which are then rounded up to whole tiles of 32.
        frozen_stem: the first filters are not trained; `whiten_stem` sets them from images.
        mirrored: test-time augmentation by a horizontal flip, inside the network: in evaluation
            features are the mean of those of the image and its mirror image, for twice the work.
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: FleetNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        width: float = 1.0,
        frozen_stem: bool = False,
        mirrored: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.mirrored = mirrored
        channels = scaled_channels(spec.stem, width)
        conv = nn.Conv2d(in_chans, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        conv.weight.requires_grad_(not frozen_stem)
        self.stem = nn.Sequential(OrderedDict(conv=conv, act=nn.GELU()))
        self.stages = nn.Sequential()
        info: list[FeatureInfo] = []
        for index, wide in enumerate(spec.stages):
            out_channels = scaled_channels(wide, width)
            halving = ConvNorm(channels, out_channels, halve=True)
            keeping = ConvNorm(out_channels, out_channels)
            self.stages.append(nn.Sequential(OrderedDict(halving=halving, keeping=keeping)))
            info.append(FeatureInfo(index, out_channels, 2 ** (index + 1)))
            channels = out_channels
        self.feature_info = tuple(info)
        self.min_size = 1
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = classifier_layer(channels, num_classes)
        if isinstance(self.classifier, nn.Linear):
            nn.init.zeros_(self.classifier.bias)

    @torch.no_grad()
    def whiten_stem(self, images: Tensor) -> None:
        """Set the first filters to the principal directions of 3x3 patches, each with its negative.

        Scaled to unit variance, so that what enters the first stage is decorrelated; whatever
        filters are left over stay as they were drawn. Call it once, before training.

        Args:
            images: some thousand training images as the network sees them, (N, in_chans, H, W).
        """
        weight = self.stem.get_parameter("conv.weight")
        variances, directions = torch.linalg.eigh(_mean_products(images, weight[0].numel()))
        half = min(len(weight) // 2, len(variances))
        best = directions.flip(1)[:, :half] / (variances.flip(0)[:half] + 5e-4).sqrt()
        filters = best.T.reshape(half, *weight.shape[1:]).to(weight)
        weight[:half] = filters
        weight[len(weight) // 2 :][:half] = -filters

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier: each channel's scaled maximum.

        With a linear classifier the mean of two features gives the mean of two answers.
        """
        if self.training or not self.mirrored:
            return self._maxima(x)
        return self._maxima(torch.cat([x, x.flip(3)])).unflatten(0, (2, -1)).mean(0)

    def _maxima(self, x: Tensor) -> Tensor:
        return self.forward_features(x)[-1].amax(dim=(2, 3)) * POOLED_SCALE


def _mean_products(images: Tensor, size: int) -> Tensor:
    """Return the mean products of the values in 3x3 patches, (size, size), in float64.

    A part of the images at a time: patches take nine times the memory of what they are cut from.
    """
    at_once = max(1, PATCH_BYTES // (8 * size * images[0, 0].numel()))
    places = (images.shape[2] - 2) * (images.shape[3] - 2)
    total = sum(_products(part, size) for part in images.split(at_once))
    return torch.as_tensor(total / (len(images) * places))


def _products(images: Tensor, size: int) -> Tensor:
    windows = images.double().unfold(2, 3, 1).unfold(3, 3, 1)  # (N, C, H - 2, W - 2, 3, 3)
    flat = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, size)
    return flat.T @ flat


def scaled_channels(channels: int, width: float) -> int:
    """Return ``channels * width`` rounded up to whole tiles of 32.

    >>> scaled_channels(64, 1.0), scaled_channels(64, 0.3)
    (64, 32)

    Raises:
        UsageError: ``width`` is not above 0.
    """
    above_zero(width, "width")
    return max(1, math.ceil(channels * width / TILE)) * TILE


register_family(
    FleetNet,
    {
        "fleetnet": Member(
            FleetNetSpec(stages=(64, 256, 256)),
            1_977_962,
            151_882_240,
            "for photographs of 32 pixels, such as CIFAR-10",
        ),
        "fleetnet_small": Member(
            FleetNetSpec(stages=(64, 64, 128)),
            353_386,
            48_071_936,
            "for digits and other simple marks, 8 to 32 pixels",
        ),
    },
    paper="ours",
    input=(3, 32, 32),
    classes=10,
)
