"""Three layers of 100 sigmoids for MNIST, with and without batch norm.

Paper    Ioffe, Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167, section 4.1
Departs  weights are N(0, 0.1): "small random Gaussian" in the paper, without a figure. A fully
         connected layer on an image is written as a convolution over all 28 x 28 pixels; larger
         images are cut into such squares and the answers averaged
Letters  N batch, H height, W width
"""

from dataclasses import dataclass

from torch import Tensor, nn

from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import FeatureInfo, classifier_layer, stage_maps

PIXELS = 28
STD = 0.1


@dataclass(frozen=True, kw_only=True)
class MNISTSigmoidSpec:
    """Everything that decides the shape of one member of the family."""

    norm: bool  # batch norm takes the place of the biases
    channels: tuple[int, ...] = (100, 100, 100)


class MNISTSigmoid(nn.Module):
    """Images (N, in_chans, H, W) of 28 pixels or more to logits (N, num_classes).

    Args:
        spec: the member of the family.
        num_classes: 0 gives the last 100 sigmoids.
        in_chans: channels of the images; MNIST has 1.
        dropout: rate before the classifier; the paper has none.
    """

    def __init__(
        self, spec: MNISTSigmoidSpec, num_classes: int, *, in_chans: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.stem = nn.Identity()
        self.stages = nn.Sequential()
        channels = in_chans
        for index, out_channels in enumerate(spec.channels):
            side = 1 if index else PIXELS
            layer = nn.Sequential()
            layer.add_module(
                "conv", nn.Conv2d(channels, out_channels, side, stride=side, bias=not spec.norm)
            )
            if spec.norm:
                layer.add_module("norm", nn.BatchNorm2d(out_channels))
            layer.add_module("act", nn.Sigmoid())
            self.stages.append(layer)
            channels = out_channels
        self.feature_info = tuple(FeatureInfo(i, c, PIXELS) for i, c in enumerate(spec.channels))
        self.min_size = PIXELS
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier_layer(channels, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from a normal distribution; biases are 0."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the answers of the three layers, (N, 100, H // 28, W // 28) each."""
        return stage_maps(self.stem, self.stages, self.feature_info, x)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier, (N, 100)."""
        return self.flatten(self.pool(self.forward_features(x)[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.forward_pooled(x)))


# Counts are for 10 classes and one channel of 28 x 28; a contract test recomputes each of them.
register_family(
    MNISTSigmoid,
    paper="arXiv:1502.03167",
    members={
        name: Member(
            spec=MNISTSigmoidSpec(norm=norm),
            params=params,
            macs=99_400,
            input=(1, PIXELS, PIXELS),
            classes=10,
            checked_against="naive:tests/nets/test_mnist_sigmoid.py::check_against_naive",
            note=note,
        )
        for name, norm, params, note in (
            ("mnist_sigmoid", False, 99_710, "3 x 100 sigmoids"),
            ("mnist_sigmoid_bn", True, 100_010, "3 x 100 sigmoids, each behind a batch norm"),
        )
    },
)
