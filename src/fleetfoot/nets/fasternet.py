"""FasterNet: partial convolutions between pointwise ones, one norm and one activation a block.

Paper    Chen et al., "Run, Don't Walk", CVPR 2023, arXiv:2303.03667; `VARIANTS` is its Table 9
Departs  nowhere at patch=4; `patch` 2 or 1 makes the stem finer, for small images. The batch norms
         that the paper puts on the maps for dense prediction belong to the detector's neck
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from fleetfoot.core.arguments import one_of, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo, classifier_layer
from fleetfoot.ops.conv import relu
from fleetfoot.ops.partial_conv import PartialConv2d
from fleetfoot.ops.stochastic_depth import StochasticDepth, linear_rates

Activation = Callable[[], nn.Module]


@dataclass(frozen=True, kw_only=True)
class FasterNetSpec:
    """Everything that decides the shape of one member of the family."""

    channels: int  # c, of the first stage; each stage doubles them
    blocks: tuple[int, ...]  # of each stage
    act: Activation
    drop_path: float
    divisor: int = 4  # 1 / r: the partial convolution takes one channel in four
    expand: int = 2
    head_channels: int = 1280


def _member(
    channels: int,
    blocks: tuple[int, ...],
    act: Activation,
    drop_path: float,
    params: int,
    macs: int,
    note: str,
) -> Member:
    spec = FasterNetSpec(channels=channels, blocks=blocks, act=act, drop_path=drop_path)
    return Member(spec, params, macs, f"{channels} channels, {note}", checked_against="timm")


T, M = (1, 2, 8, 2), (3, 4, 18, 3)
VARIANTS = {
    "t0": _member(40, T, nn.GELU, 0.0, 3_905_500, 335_422_720, "GELU"),
    "t1": _member(64, T, nn.GELU, 0.02, 7_595_368, 850_511_872, "GELU"),
    "t2": _member(96, T, relu, 0.05, 14_982_888, 1_904_334_848, "ReLU"),
    "s": _member(128, (1, 2, 13, 2), relu, 0.1, 31_181_032, 4_549_740_544, "18 blocks, ReLU"),
    "m": _member(144, M, relu, 0.2, 53_521_464, 8_721_938_432, "28 blocks, ReLU"),
    "l": _member(192, M, relu, 0.3, 93_465_192, 15_494_383_616, "28 blocks, ReLU"),
}


class FasterNetBlock(nn.Module):
    """x + W2 act(norm(W1 pconv(x))), W1 and W2 pointwise; keeps the shape (N, channels, H, W)."""

    def __init__(self, channels: int, spec: FasterNetSpec, *, drop_path: float) -> None:
        super().__init__()
        hidden = channels * spec.expand
        self.mix = PartialConv2d(channels, divisor=spec.divisor)
        self.expand = nn.Conv2d(channels, hidden, 1, bias=False)
        self.norm = nn.BatchNorm2d(hidden)
        self.act = spec.act()
        self.project = nn.Conv2d(hidden, channels, 1, bias=False)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.project(self.act(self.norm(self.expand(self.mix(x)))))
        return x + self.drop_path(branch)


class PatchConv(nn.Module):
    """Non-overlapping patches to channels: (N, C, H, W) to (N, out, H / patch, W / patch)."""

    def __init__(self, in_channels: int, out_channels: int, *, patch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, patch, stride=patch, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class FasterNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 8 * patch smaller.

    Args:
        num_classes: 0 gives pooled features, (N, head_channels).
        patch: side of the stem's patches: 4 as published, 2 or 1 for small images.
        drop_path: highest rate of stochastic depth, at the last block; None is the paper's.
        dropout: rate before the classifier.
    """

    def __init__(
        self,
        spec: FasterNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        patch: int = 4,
        drop_path: float | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        one_of(patch, (4, 2, 1), "patch")
        widths = [spec.channels * 2**stage for stage in range(len(spec.blocks))]
        self.stem = PatchConv(in_chans, widths[0], patch=patch)
        self.stages = nn.Sequential()
        rates = linear_rates(spec.drop_path if drop_path is None else drop_path, sum(spec.blocks))
        for stage, (width, count) in enumerate(zip(widths, spec.blocks)):
            first = sum(spec.blocks[:stage])
            blocks = nn.Sequential(
                *(FasterNetBlock(width, spec, drop_path=r) for r in rates[first : first + count])
            )
            merge = PatchConv(width // 2, width, patch=2) if stage else nn.Identity()
            self.stages.append(nn.Sequential(OrderedDict(merge=merge, blocks=blocks)))
        self.feature_info = tuple(
            FeatureInfo(stage, width, patch * 2**stage) for stage, width in enumerate(widths)
        )
        self.min_size = self.feature_info[-1].reduction
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Conv2d(widths[-1], spec.head_channels, 1, bias=False)
        self.act = spec.act()
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = classifier_layer(spec.head_channels, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight from the paper's truncated normal; biases are 0."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear, PartialConv2d)):
                nn.init.trunc_normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier, (N, head_channels)."""
        return self.flatten(self.act(self.head(self.pool(self.forward_features(x)[-1]))))


register_family(
    FasterNet,
    {f"fasternet_{name}": member for name, member in VARIANTS.items()},
    paper="arXiv:2303.03667",
)
