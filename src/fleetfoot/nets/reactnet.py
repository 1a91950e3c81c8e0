"""ReActNet-A: MobileNetV1's plan, every convolution behind the stem binary; also in RepConv's form.

Paper    Liu et al., "ReActNet", ECCV 2020, arXiv:2003.03488, figure 5 and the authors' code; Shi et
         al., "RepBNN", 2022, arXiv:2207.09049, for maps beta times as wide
Departs  first latent weights are drawn on both sides of zero: the released second stage has them
         all positive, which is harmless only because those of the first stage are loaded
Letters  N batch, C channels, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.errors import ShapeError
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.binary_conv import BinaryConv2d
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.repeat_conv import Tile
from fleetfoot.ops.rsign import RPReLU, RSign


@dataclass(frozen=True, kw_only=True)
class ReActNetSpec:
    """Everything that decides the shape: channels and stride of each block, beta of RepConv."""

    stem: int
    rows: tuple[tuple[int, int], ...]
    repeats: int = 1


class ReActBlock(nn.Module):
    """A 3x3 and one or two 1x1 binary convolutions, each with a shortcut.

    Maps (N, C, H, W) to (N, channels, H / stride, W / stride), all channels times ``repeats``.

    Args:
        in_channels: C.
        channels: C, or twice as many: the two 1x1 convolutions are then put behind each other.
        stride: 1 or 2; the shortcut is then the mean of 2x2.
        repeats: beta.
    """

    def __init__(self, in_channels: int, channels: int, *, stride: int, repeats: int) -> None:
        super().__init__()
        if channels not in (in_channels, 2 * in_channels):
            raise ShapeError(f"{channels} channels are neither {in_channels} nor twice as many")
        wide, out = in_channels * repeats, channels * repeats
        self.sign1 = RSign(wide)
        self.conv1 = _conv_norm(in_channels, 3, stride=stride, repeats=repeats)
        self.shortcut = nn.AvgPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()
        self.act1 = RPReLU(wide)
        self.sign2 = RSign(wide)
        self.branches = nn.ModuleList(
            _conv_norm(in_channels, 1, repeats=repeats) for _ in range(channels // in_channels)
        )
        self.act2 = RPReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.conv1(self.sign1(x)) + self.shortcut(x))
        signs = self.sign2(x)
        maps = [branch(signs) + x for branch in self.branches]
        return self.act2(maps[0] if len(maps) == 1 else torch.cat(maps, 1))


def _conv_norm(channels: int, kernel: int, *, stride: int = 1, repeats: int) -> nn.Sequential:
    """Return a binary convolution that keeps the channels, tiled if repeated, and its norm."""
    if channels % repeats:
        raise ShapeError(f"repeats={repeats} does not divide {channels} channels: give a divisor")
    conv = BinaryConv2d(
        channels * repeats,
        channels // repeats,
        kernel,
        stride=stride,
        padding=kernel // 2,
        slope="window",
        scale="filter",
    )
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv=conv)
    if repeats > 1:
        layers["tile"] = Tile(repeats**2)
    layers["norm"] = nn.BatchNorm2d(channels * repeats)
    return nn.Sequential(layers)


class ReActNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); first and last layer are real.

    Args:
        repeats: another beta than the member's, a divisor of the channels of every block.
        dropout: rate before the classifier.

    Raises:
        ShapeError: ``repeats`` does not divide the channels of a block.
    """

    def __init__(
        self,
        spec: ReActNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        repeats: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        beta = at_least(1, repeats or spec.repeats, "repeats")
        stem = conv_norm_act(in_chans, spec.stem, stride=2, act=None)
        self.stem = stem if beta == 1 else nn.Sequential(stem, Tile(beta))
        self.stages = nn.Sequential()
        channels, reduction = spec.stem, 2
        info: list[FeatureInfo] = []
        for place, (width, stride) in enumerate(spec.rows):
            self.stages.append(ReActBlock(channels, width, stride=stride, repeats=beta))
            channels, reduction = width, reduction * stride
            following = spec.rows[place + 1][1] if place + 1 < len(spec.rows) else 2
            if following == 2:
                info.append(FeatureInfo(place, channels * beta, reduction))
        self.feature_info = tuple(info)
        self.min_size = 1
        self.add_linear_head(channels * beta, num_classes, dropout=dropout)


ROWS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *(((512, 1),) * 5),
    *((1024, 2), (1024, 1)),
)
VARIANTS = {
    "reactnet_a": Member(
        ReActNetSpec(stem=32, rows=ROWS), 29_343_592, 4_828_758_016, "one form, ReActNet-A"
    ),
    "rep_reactnet_a": Member(
        ReActNetSpec(stem=32, rows=ROWS, repeats=2),
        30_432_072,
        4_829_782_016,
        "with maps twice as wide",
        paper="arXiv:2207.09049",
    ),
}
register_family(ReActNet, VARIANTS, paper="arXiv:2003.03488")
