"""BN-Inception: four branches side by side, a batch norm before every non-linearity.

Paper    Ioffe, Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167; `GRIDS` is the table of
         its appendix with the true widths: 4c and 4d put out 608 maps, 4e 1056 (printed 576, 1024)
Departs  a plain 7x7 first convolution, as in the public ports, for the paper's separable one; they
         have 11.3 million parameters, the paper states 13.6. He weights (the paper gives none). Max
         pools by 2 pad like SAME, which equals the ports wherever maps are even, as at 224 pixels.
         Without batch norm: response norms where GoogLeNet has them, with its constants
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import one_of
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.local_response_norm import LocalResponseNorm
from fleetfoot.ops.same_pad import SamePad2d


class Grid(NamedTuple):
    """One row of the table: channels of the layers of the four branches."""

    conv1x1: int  # 0 where the module halves the map
    reduce3x3: int  # 1x1 in front of the 3x3
    conv3x3: int
    reduce_double: int  # 1x1 in front of the two 3x3
    double3x3: int  # both
    pool: str  # "avg" or "max"
    project: int  # 1x1 behind the pool; 0 passes it through, and the module halves the map


GRIDS = (
    (Grid(64, 64, 64, 64, 96, "avg", 32), Grid(64, 64, 96, 64, 96, "avg", 64)),  # 3a, 3b
    (
        Grid(0, 128, 160, 64, 96, "max", 0),  # 3c
        Grid(224, 64, 96, 96, 128, "avg", 128),  # 4a
        Grid(192, 96, 128, 96, 128, "avg", 128),
        Grid(160, 128, 160, 128, 160, "avg", 128),
        Grid(96, 128, 192, 160, 192, "avg", 128),
    ),
    (
        Grid(0, 128, 192, 192, 256, "max", 0),  # 4e
        Grid(352, 192, 320, 160, 224, "avg", 128),  # 5a
        Grid(352, 192, 320, 192, 224, "max", 128),
    ),
)
POOLS = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}


@dataclass(frozen=True, kw_only=True)
class BNInceptionSpec:
    """Everything that decides the shape of one member of the family."""

    norm: bool  # with batch norms; without them, response norms and dropout
    act: type[nn.Module]

    def layer(
        self, in_channels: int, channels: int, kernel_size: int = 1, *, stride: int = 1, bias: bool
    ) -> nn.Sequential:
        """Return ``conv``, ``norm`` if the network has them, and ``act``."""
        pad = kernel_size // 2
        conv = nn.Conv2d(in_channels, channels, kernel_size, stride, pad, bias=bias)
        parts: OrderedDict[str, nn.Module] = OrderedDict(conv=conv)
        if self.norm:
            parts["norm"] = nn.BatchNorm2d(channels)
        parts["act"] = self.act()
        return nn.Sequential(parts)


LayerMaker = Callable[..., nn.Sequential]  # (in_channels, channels, kernel_size=1, stride=1)


class Inception(nn.Module):
    """Four branches, concatenated: (N, in, H, W) to (N, out_channels, H, W) or half of that."""

    def __init__(self, in_channels: int, grid: Grid, layer: LayerMaker) -> None:
        super().__init__()
        halves = grid.project == 0
        stride = 2 if halves else 1
        if not halves:
            self.single = layer(in_channels, grid.conv1x1)
        self.reduce = layer(in_channels, grid.reduce3x3)
        self.triple = layer(grid.reduce3x3, grid.conv3x3, 3, stride=stride)
        self.double_reduce = layer(in_channels, grid.reduce_double)
        self.double1 = layer(grid.reduce_double, grid.double3x3, 3)
        self.double2 = layer(grid.double3x3, grid.double3x3, 3, stride=stride)
        if halves:
            self.pool = halving_pool()
        else:
            self.pool = POOLS[one_of(grid.pool, POOLS, "pool")](3, 1, 1)
            self.project = layer(in_channels, grid.project)
        self.halves = halves
        last = in_channels if halves else grid.project
        self.out_channels = grid.conv1x1 + grid.conv3x3 + grid.double3x3 + last

    def forward(self, x: Tensor) -> Tensor:
        triple = self.triple(self.reduce(x))
        double = self.double2(self.double1(self.double_reduce(x)))
        pooled = self.pool(x)
        if self.halves:
            return torch.cat((triple, double, pooled), dim=1)
        return torch.cat((self.single(x), triple, double, self.project(pooled)), dim=1)


def halving_pool() -> nn.Sequential:
    """Return a 3x3 maximum by steps of 2 with ceil(size / 2) outputs; maps are never negative."""
    return nn.Sequential(OrderedDict(pad=SamePad2d(3, 2), max=nn.MaxPool2d(3, 2)))


class BNInception(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 32 times smaller.

    Args:
        num_classes: 0 gives pooled features, (N, 1024).
        dropout: rate before the classifier; None is the published one, 0 with batch norm, else 0.4.
        conv_bias: biases in front of batch norms, as the port of the Caffe weights keeps them.
        lrn: local response norms of the stem; None is the published choice. The paper's
            "BN-Baseline" is `bn_inception` with them and dropout 0.4.
    """

    def __init__(
        self,
        spec: BNInceptionSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        dropout: float | None = None,
        conv_bias: bool = False,
        lrn: bool | None = None,
    ) -> None:
        super().__init__()
        layer = partial(spec.layer, bias=conv_bias or not spec.norm)
        self.stem = nn.Sequential(
            OrderedDict(conv=layer(in_chans, 64, 7, stride=2), pool=halving_pool())
        )
        first = nn.Sequential(OrderedDict(reduce=layer(64, 64), conv=layer(64, 192, 3)))
        if not spec.norm if lrn is None else lrn:
            for part in (self.stem, first):
                part.add_module("lrn", LocalResponseNorm(k=1.0, convention="released"))
        self.stages = nn.Sequential(first)
        info, channels = [FeatureInfo(0, 192, 4)], 192
        for index, grids in enumerate(GRIDS, start=1):
            stage = nn.Sequential()
            if index == 1:
                stage.add_module("pool", halving_pool())
            for number, grid in enumerate(grids):
                module = Inception(channels, grid, layer)
                stage.add_module(f"inception{number}", module)
                channels = module.out_channels
            self.stages.append(stage)
            info.append(FeatureInfo(index, channels, 4 * 2**index))
        self.feature_info = tuple(info)
        self.min_size = 1
        published = 0.0 if spec.norm else 0.4
        self.add_linear_head(
            channels, num_classes, dropout=published if dropout is None else dropout
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw filters by He's rule; their biases are 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def _member(*, norm: bool, act: type[nn.Module], note: str) -> Member:
    params = 11_285_224 if norm else 11_275_208
    return Member(BNInceptionSpec(norm=norm, act=act), params, 2_032_600_064, note)


register_family(
    BNInception,
    {
        "bn_inception": _member(norm=True, act=nn.ReLU, note="BN-x5 and BN-x30"),
        "bn_inception_sigmoid": _member(norm=True, act=nn.Sigmoid, note="BN-x5-Sigmoid"),
        "inception": _member(norm=False, act=nn.ReLU, note="no batch norm: LRN, dropout"),
        "inception_sigmoid": _member(norm=False, act=nn.Sigmoid, note="no norm: does not train"),
    },
    paper="arXiv:1502.03167",
)
