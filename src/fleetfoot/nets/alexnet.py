"""AlexNet: five convolutions and three linear layers, in two columns that meet at some layers.

Paper    Krizhevsky, Sutskever, Hinton, "ImageNet Classification", NIPS 2012, sections 3 and 6;
         `alexnet` is Krizhevsky, 2014, arXiv:1404.5997, as torchvision defines it
Departs  the columns are grouped convolutions of one device; maps of another size than 6x6 in front
         of the linear layers are averaged to it. The paper gives no sizes for the sixth convolution
         (over the last pooling layer) of its pre-training on 22k classes: `SIXTH` is our choice,
         another 256 kernels of 3x3 in two columns, so that fc6 keeps its shape. Dropout scales in
         training, where the paper halves the outputs at evaluation. First weights are for pixels
         in 0-255 less their mean. `alexnet` has one column, no LRN, torch's first weights, and its
         dropouts in front of fc6 and fc7
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from fleetfoot.core.arguments import one_of, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo, classifier_layer
from fleetfoot.ops.ceil_pad import CeilPad2d
from fleetfoot.ops.conv import relu
from fleetfoot.ops.local_response_norm import CONVENTIONS, LocalResponseNorm


class Conv(NamedTuple):
    """One convolution with its ReLU, and what follows it."""

    channels: int
    kernel_size: int
    stride: int = 1
    padding: int | None = None  # None: zeros at the right and bottom, so that sizes round up
    groups: int = 1
    bias: float = 0.0  # at the start
    normed: bool = False  # by LRN
    pooled: bool = False  # to half the size: maximum over 3x3, stride 2


TWO_GPUS = (
    Conv(96, 11, 4, normed=True, pooled=True),
    Conv(256, 5, 1, 2, groups=2, bias=1.0, normed=True, pooled=True),
    Conv(384, 3, 1, 1),
    Conv(384, 3, 1, 1, groups=2, bias=1.0),
    Conv(256, 3, 1, 1, groups=2, bias=1.0, pooled=True),
)
SIXTH = Conv(256, 3, 1, 1, groups=2, bias=1.0)
ONE_GPU = (  # half the kernels in all layers but the last convolution
    Conv(48, 11, 4, normed=True, pooled=True),
    Conv(128, 5, 1, 2, bias=1.0, normed=True, pooled=True),
    Conv(192, 3, 1, 1),
    Conv(192, 3, 1, 1, bias=1.0),
    Conv(256, 3, 1, 1, bias=1.0, pooled=True),
)
ONE_TOWER = (  # of 2014
    Conv(64, 11, 4, 2, pooled=True),
    Conv(192, 5, 1, 2, pooled=True),
    Conv(384, 3, 1, 1),
    Conv(256, 3, 1, 1),
    Conv(256, 3, 1, 1, pooled=True),
)
STD, HIDDEN_BIAS = 0.01, 1.0
HIDDEN, SIDE = 4096, 6


@dataclass(frozen=True, kw_only=True)
class AlexNetSpec:
    """Everything that decides the shape of one member of the family."""

    convs: tuple[Conv, ...]
    columns: int = 1  # LRN stays inside one
    as_torchvision: bool = False  # pools round down; dropout and first weights, see Departs


TWO = AlexNetSpec(convs=TWO_GPUS, columns=2)
SIX = AlexNetSpec(convs=(*TWO_GPUS, SIXTH), columns=2)
TOWER = AlexNetSpec(convs=ONE_TOWER, as_torchvision=True)


class AlexNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes), made for 224 x 224.

    Features are the maps in front of each pooling but the first.

    Args:
        num_classes: 0 gives the features of fc7, (N, 4096).
        lrn: "paper", "released" (alpha divided by the window, as cuda-convnet does) or "none".
        dropout: rate behind fc6 and fc7; of `alexnet` in front of them.
    """

    exact_reduction = False  # windows without padding: maps are smaller than size / reduction

    def __init__(
        self,
        spec: AlexNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        lrn: str = "paper",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        one_of(lrn, (*CONVENTIONS, "none"), "lrn")
        self.spec = spec
        groups: list[OrderedDict[str, nn.Module]] = [OrderedDict()]  # the stem, then the stages
        channels = in_chans
        for number, row in enumerate(spec.convs, start=1):
            if row.padding is None:
                groups[-1]["pad"] = CeilPad2d(row.kernel_size, row.stride)
            window = (row.kernel_size, row.stride, row.padding or 0)
            conv = nn.Conv2d(channels, row.channels, *window, groups=row.groups)
            groups[-1][f"conv{number}"] = conv
            groups[-1][f"act{number}"] = relu()
            if row.normed and lrn != "none":
                groups[-1][f"norm{number}"] = LocalResponseNorm(groups=spec.columns, convention=lrn)
            channels = row.channels
            if row.pooled:
                pool = nn.MaxPool2d(3, stride=2, ceil_mode=not spec.as_torchvision)
                groups.append(OrderedDict(pool=pool))
        head = groups.pop() if spec.convs[-1].pooled else OrderedDict[str, nn.Module]()
        self.stem, *stages = (nn.Sequential(layers) for layers in groups)
        self.stages = nn.Sequential(*stages)
        widths = [[m.out_channels for m in s if isinstance(m, nn.Conv2d)][-1] for s in stages]
        self.feature_info = tuple(FeatureInfo(i, w, 8 * 2**i) for i, w in enumerate(widths))
        self.min_size = 63  # 15, 7 and 3 positions in front of pools that round down
        head["mean"] = nn.AdaptiveAvgPool2d(SIDE)  # the identity at 224 x 224
        self.pool = nn.Sequential(head)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(channels * SIDE**2, HIDDEN)
        self.fc7 = nn.Linear(HIDDEN, HIDDEN)
        self.act = relu()
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = classifier_layer(HIDDEN, num_classes)
        if not spec.as_torchvision:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 0.01); some layers start with a bias of 1, to feed the ReLUs."""
        biases = [row.bias for row in self.spec.convs] + [HIDDEN_BIAS, HIDDEN_BIAS, 0.0]
        layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        for layer, bias in zip(layers, biases):
            nn.init.normal_(layer.weight, std=STD)
            nn.init.constant_(layer.get_parameter("bias"), bias)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features of fc7, (N, 4096)."""
        x = self.flatten(self.pool(self.forward_features(x)[-1]))
        if self.spec.as_torchvision:
            x = self.dropout(x)
        x = self.dropout(self.act(self.fc6(x)))
        return self.act(self.fc7(x))

    def forward(self, x: Tensor) -> Tensor:
        x = self.forward_pooled(x)
        return self.classifier(x if self.spec.as_torchvision else self.dropout(x))


register_family(
    AlexNet,
    {
        "alexnet_2012": Member(TWO, 60_965_224, 724_406_816, "as published: two columns, LRN"),
        "alexnet_2012_one_gpu": Member(
            AlexNetSpec(convs=ONE_GPU),
            59_798_312,
            391_514_384,
            "one column, conv1-4 of half the width",
        ),
        "alexnet_2012_22k": Member(
            SIX,
            146_645_969,
            820_388_384,
            "a sixth convolution, for pre-training; its size is ours",
            classes=21_841,
        ),
        "alexnet": Member(
            TOWER,
            61_100_840,
            714_188_480,
            "one column, no LRN, as in torchvision",
            checked_against="torchvision",
            paper="arXiv:1404.5997",
        ),
    },
    paper="NIPS 2012 (Krizhevsky, Sutskever, Hinton)",
)
