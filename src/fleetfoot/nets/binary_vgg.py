"""VGG-Small with ReCU's binary convolutions, for images of 32 pixels.

Paper    Xu et al., "ReCU", ICCV 2021, arXiv:2103.12369, and its code: pools stand in front of the
         norm; first and last layer are real
Departs  nowhere
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, rate
from fleetfoot.core.errors import UsageError
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo, classifier_layer
from fleetfoot.ops.binary_conv import BinaryConv2d
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.fixed_size import FixedSize
from fleetfoot.ops.recu_conv import NormalisedSign, RecuConv2d


@dataclass(frozen=True)
class BinaryVggSpec:
    """Channels of the convolutions and whether a pool follows; the first is the stem's."""

    stem: int
    rows: tuple[tuple[int, bool], ...]


class BinaryVgg(Classifier):
    """Images (N, in_chans, size, size) to logits (N, num_classes).

    Args:
        size: side of the images, a multiple of 2 for each pool; the network takes no other.
        dropout: rate before the classifier.

    Raises:
        UsageError: a size that the pools do not divide.
    """

    def __init__(
        self,
        spec: BinaryVggSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        size: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.min_size = self.only_size = at_least(1, size, "size")
        halvings = 2 ** sum(pooled for _, pooled in spec.rows)
        if size % halvings:
            raise UsageError(f"size={size} is no multiple of {halvings}, by which pools divide it")
        stem = conv_norm_act(in_chans, spec.stem, act=nn.Hardtanh)
        self.stem = nn.Sequential(FixedSize(size), stem)
        self.stages = nn.Sequential()
        info: list[FeatureInfo] = []
        channels, reduction = spec.stem, 1
        for width, pooled in spec.rows:
            self.stages.append(_layer(channels, width, pooled=pooled))
            channels, reduction = width, reduction * (1 + pooled)
            if pooled:
                info.append(FeatureInfo(len(self.stages) - 1, width, reduction))
        self.feature_info = tuple(info)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = classifier_layer(channels * (size // reduction) ** 2, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, BinaryConv2d)):
                nn.init.kaiming_normal_(module.weight)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the last map in front of dropout and classifier, (N, C H W)."""
        return self.flatten(self.forward_features(x)[-1])


def _layer(inputs: int, outputs: int, *, pooled: bool) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        sign=NormalisedSign(), conv=RecuConv2d(inputs, outputs, 3, padding=1)
    )
    if pooled:
        layers["pool"] = nn.MaxPool2d(2)
    layers["norm"] = nn.BatchNorm2d(outputs)
    layers["act"] = nn.Hardtanh()
    return nn.Sequential(layers)


SMALL = BinaryVggSpec(128, ((128, True), (256, False), (256, True), (512, False), (512, True)))
register_family(
    BinaryVgg,
    {"recu_vgg_small": Member(SMALL, 4_661_770, 607_600_640, "128 to 512 channels")},
    paper="arXiv:2103.12369",
    input=(3, 32, 32),
    classes=10,
)
