"""DenseNet-40 with its dense blocks replaced by one-shot aggregation, for CIFAR.

Paper    Lee et al., "An Energy and GPU-Computation Efficient Backbone Network for Real-Time
         Object Detection", CVPRW 2019, arXiv:1904.09730, section 3.1 and Fig. 2
Departs  the paper gives layers and widths (12 x 20 and 5 x 43) and a memory access of 2.5 M, but
         not how a block ends. "merged", our default: a 1x1 convolution to DenseNet-40's widths,
         then DenseNet's transition (2.60 M and 2.62 M); "full": the whole concatenation goes
         through the transition (2.10 M and 2.07 M)
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from fleetfoot.blocks.dense import transition
from fleetfoot.blocks.kaiming import reset_kaiming
from fleetfoot.blocks.osa import OSA
from fleetfoot.core.arguments import one_of
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.conv import relu

STEM_CHANNELS = 16
MERGED_CHANNELS = (160, 304, 448)  # after DenseNet-40's blocks
WIRINGS = ("merged", "full")


@dataclass(frozen=True, kw_only=True)
class OSACifarSpec:
    """Everything that decides the shape of one member of the family."""

    layers: int  # of each block
    width: int
    merged: tuple[int, ...] = MERGED_CHANNELS  # of the 1x1 convolutions that end the blocks


class OSACifar(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); the last map is 4 times smaller.

    Args:
        wiring: "merged" or "full", how a block ends.
        dropout: rate before the classifier.

    Raises:
        UsageError: another word for ``wiring``.
    """

    def __init__(
        self,
        spec: OSACifarSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        wiring: str = "merged",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        one_of(wiring, WIRINGS, "wiring")
        conv = nn.Conv2d(in_chans, STEM_CHANNELS, 3, padding=1, bias=False)
        self.stem = nn.Sequential(OrderedDict(conv=conv))
        self.stages = nn.Sequential()
        channels, info = STEM_CHANNELS, list[FeatureInfo]()
        for stage, merged in enumerate(spec.merged):
            between = transition(channels, channels, nn.AvgPool2d(2)) if stage else nn.Identity()
            out_channels = merged if wiring == "merged" else None
            block = OSA(channels, spec.width, out_channels, layers=spec.layers)
            channels = out_channels or channels + spec.layers * spec.width
            self.stages.append(nn.Sequential(OrderedDict(transition=between, block=block)))
            info.append(FeatureInfo(stage, channels, 2**stage))
        self.feature_info = tuple(info)
        self.min_size = info[-1].reduction
        self.head = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(channels), act=relu()))
        self.add_linear_head(channels, num_classes, dropout=dropout)
        reset_kaiming(self)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier."""
        return self.flatten(self.pool(self.head(self.forward_features(x)[-1])))


def _member(layers: int, width: int, params: int, macs: int) -> Member:
    note = f"blocks of {layers} layers of {width} channels, for CIFAR"
    return Member(OSACifarSpec(layers=layers, width=width), params, macs, note)


register_family(
    OSACifar,
    {
        "osa_cifar_12x20": _member(12, 20, 739_498, 206_036_352),
        "osa_cifar_5x43": _member(5, 43, 896_800, 251_415_168),
    },
    paper="arXiv:1904.09730",
    input=(3, 32, 32),
    classes=10,
)
