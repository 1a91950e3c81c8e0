"""Three layers of 100 sigmoids for MNIST, with and without batch norm.

Paper    Ioffe, Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167, section 4.1
Departs  weights are N(0, 0.1): "small random Gaussian" in the paper, without a figure. A fully
         connected layer is written as the 1x1 convolution of a map of one position that it is, so
         that batch norm is the same module as everywhere
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo, classifier_layer
from fleetfoot.ops.fixed_size import FixedSize

STD = 0.1


@dataclass(frozen=True, kw_only=True)
class MNISTSigmoidSpec:
    """Everything that decides the shape of one member of the family."""

    norm: bool  # batch norm instead of biases
    channels: tuple[int, ...] = (100, 100, 100)


class MNISTSigmoid(Classifier):
    """Images (N, in_chans, size, size) to logits (N, num_classes).

    Args:
        num_classes: 0 gives the last 100 sigmoids.
        in_chans: channels of the images; MNIST has 1.
        size: side of the images; the network takes no other.
        dropout: rate before the classifier; the paper has none.
    """

    def __init__(
        self,
        spec: MNISTSigmoidSpec,
        num_classes: int,
        *,
        in_chans: int = 1,
        size: int = 28,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels = in_chans * at_least(1, size, "size") ** 2
        self.stem = nn.Sequential(
            FixedSize(size), nn.Flatten(), nn.Unflatten(1, torch.Size((channels, 1, 1)))
        )
        self.stages = nn.Sequential()
        for out_channels in spec.channels:
            conv = nn.Conv2d(channels, out_channels, 1, bias=not spec.norm)
            layer: OrderedDict[str, nn.Module] = OrderedDict(conv=conv)
            if spec.norm:
                layer["norm"] = nn.BatchNorm2d(out_channels)
            layer["act"] = nn.Sigmoid()
            self.stages.append(nn.Sequential(layer))
            channels = out_channels
        self.feature_info = tuple(FeatureInfo(i, c, size) for i, c in enumerate(spec.channels))
        self.min_size = self.only_size = size
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = classifier_layer(channels, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from a normal distribution; biases are 0."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier, (N, 100)."""
        return self.flatten(self.forward_features(x)[-1])


register_family(
    MNISTSigmoid,
    {
        "mnist_sigmoid": Member(MNISTSigmoidSpec(norm=False), 99_710, 99_400, "3 x 100 sigmoids"),
        "mnist_sigmoid_bn": Member(
            MNISTSigmoidSpec(norm=True),
            100_010,
            99_400,
            "3 x 100 sigmoids, each behind a batch norm",
        ),
    },
    paper="arXiv:1502.03167",
    input=(1, 28, 28),
    classes=10,
)
