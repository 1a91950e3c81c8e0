"""Network In Network: perceptrons instead of filters, one map a class instead of a classifier.

Paper    Lin, Chen, Yan, "Network In Network", ICLR 2014, arXiv:1312.4400; `CIFAR10` to `MNIST`
         are the tables of the authors' released definitions
Departs  nowhere for these four. `IMAGENET` is not in the paper: widths of the public Caffe model,
         first convolution unpadded as there (224 px: 54, 27, 13, 6), its weights drawn like the
         others. Biases start at 0; dropout scales in training, not at evaluation
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from fleetfoot.blocks.mlpconv import MLPConv
from fleetfoot.core.arguments import rate, same_length
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo


class Row(NamedTuple):
    """One mlpconv of a table; in the last, the third layer has one map a class."""

    kernel_size: int
    channels: tuple[int, ...]
    stds: tuple[float, ...] = (0.05, 0.05, 0.05)  # of the first weights, layer by layer
    stride: int = 1
    padding: int | None = None  # None keeps the size


@dataclass(frozen=True, kw_only=True)
class NINSpec:
    """Everything that decides the shape of one member of the family."""

    rows: tuple[Row, ...]
    dropout_from: int = 1  # dropout after the pools in front of this row and of those after it

    def __post_init__(self) -> None:
        *rows, last = self.rows
        for row in (*rows, last._replace(channels=(*last.channels, 0))):  # 0 stands for the classes
            same_length(channels=row.channels, stds=row.stds)


CIFAR10 = (Row(5, (192, 160, 96)), Row(5, (192, 192, 192)), Row(3, (192, 192)))
CIFAR100 = (Row(5, (192, 160, 96), stds=(0.001, 0.01, 0.01)), *CIFAR10[1:])
SVHN = (Row(5, (128, 96, 64)), Row(5, (320, 256, 128)), Row(5, (384, 256)))
MNIST = (Row(5, (96, 64, 48)), Row(5, (128, 96, 48)), Row(5, (128, 96)))
IMAGENET = (
    Row(11, (96, 96, 96), stride=4, padding=0),
    Row(5, (256, 256, 256)),
    Row(3, (384, 384, 384)),
    Row(3, (1024, 1024)),
)


class NIN(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes), the mean of one map a class.

    Args:
        num_classes: 0 gives the mean of the map in front of the class maps.
        dropout: rate behind the pools, 0.5 as published.
        logit_relu: a ReLU on the class maps, as released: logits are then never negative. A map
            that dies gets no gradient; False leaves it out.
    """

    def __init__(
        self,
        spec: NINSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        dropout: float = 0.5,
        logit_relu: bool = True,
    ) -> None:
        super().__init__()
        self.stds = tuple(std for row in spec.rows for std in row.stds)
        drop = rate(dropout, "dropout")
        self.stem = nn.Identity()
        self.stages = nn.Sequential()
        info: list[FeatureInfo] = []
        channels, reduction = in_chans, 1
        for index, row in enumerate(spec.rows):
            parts: OrderedDict[str, nn.Module] = OrderedDict()
            if index:
                parts["pool"] = nn.MaxPool2d(3, 2, ceil_mode=True)
                parts["dropout"] = nn.Dropout(drop if index >= spec.dropout_from else 0.0)
                reduction *= 2
            parts["mlpconv"] = MLPConv(
                channels,
                row.channels,
                kernel_size=row.kernel_size,
                stride=row.stride,
                padding=row.padding,
            )
            channels, reduction = row.channels[-1], reduction * row.stride
            self.stages.append(nn.Sequential(parts))
            info.append(FeatureInfo(index, channels, reduction))
        self.feature_info = tuple(info)
        self.exact_reduction = all(row.padding != 0 for row in spec.rows)
        # A pool needs 2 positions: 4 and 2; 8, 4 and 2 behind an unpadded 11x11 by steps of 4.
        self.min_size = 4 if self.exact_reduction else 39
        self.classifier = nn.Conv2d(channels, num_classes, 1) if num_classes else nn.Identity()
        self.act = nn.ReLU() if logit_relu and num_classes else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from the released normal distributions; biases are 0."""
        convs = (module for module in self.modules() if isinstance(module, nn.Conv2d))
        for conv, std in zip(convs, self.stds):
            nn.init.normal_(conv.weight, std=std)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.flatten(self.pool(self.act(self.classifier(self.forward_features(x)[-1]))))


register_family(
    NIN,
    {
        "nin_cifar10": Member(NINSpec(rows=CIFAR10), 966_986, 222_486_528, "for CIFAR-10"),
        "nin_cifar100": Member(
            NINSpec(rows=CIFAR100),
            984_356,
            223_592_448,
            "for CIFAR-100: smaller first weights",
            classes=100,
        ),
        "nin_imagenet": Member(
            NINSpec(rows=IMAGENET, dropout_from=3),
            7_595_176,
            1_100_188_800,
            "the public Caffe model for ImageNet",
            classes=1000,
            input=(3, 224, 224),
            paper="not in the paper: public Caffe model",
        ),
        "nin_mnist": Member(
            NINSpec(rows=MNIST), 349_674, 50_699_712, "for MNIST, narrow", input=(1, 28, 28)
        ),
        "nin_svhn": Member(
            NINSpec(rows=SVHN), 1_986_026, 274_235_392, "for SVHN: 5x5 in the third block"
        ),
    },
    paper="arXiv:1312.4400",
    input=(3, 32, 32),
    classes=10,
)
