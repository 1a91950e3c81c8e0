"""The binary networks of QNN: every weight a bit, every activation between layers a bit.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, section 5, and the
         authors' code; each layer is binary weights, pool if any, batch norm, sign. AlexNet has
         three times the width of the original in its first four layers, as in their PyTorch port
Departs  the hard tanh in front of the sign is not computed: its slope is the sign's (`window`).
         Layers have no bias: the norm has one
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, rate
from fleetfoot.core.errors import UsageError
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.fixed_size import FixedSize
from fleetfoot.ops.sign import Sign

EPS = 1e-4  # of the norms
NORM_MOMENTUM = 0.1


@dataclass(frozen=True)
class Conv:
    """A binary convolution and the pool behind it: side and step of its window, 0 for none."""

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    pool: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class BinaryNetSpec:
    """Everything that decides the shape of one member of the family."""

    convs: tuple[Conv, ...]
    hidden: tuple[int, ...]  # outputs of the fully connected layers
    size: int  # side of the images


class BinaryNet(Classifier):
    """Images (N, in_chans, size, size) to logits (N, num_classes); the first layer reads numbers.

    Perceptrons have no maps, so that `forward_features` is empty.

    Args:
        num_classes: 0 gives the last bits in front of the classifier.
        in_chans: channels of the images.
        size: side of the images; the network takes no other. None is the member's.
        stochastic: bits between layers are drawn in training, the authors' regulariser.
        pad_value: 0 as in the authors' code, or +1 or -1, which a packed kernel need not correct.
        dropout: rate before the classifier.

    Raises:
        UsageError: a size at which a map has no position left.
    """

    def __init__(
        self,
        spec: BinaryNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        size: int | None = None,
        stochastic: bool = False,
        pad_value: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        side = spec.size if size is None else at_least(1, size, "size")
        self.min_size = self.only_size = side
        self.stem = FixedSize(side)
        self.stages = nn.Sequential()
        info: list[FeatureInfo] = []
        channels, whole = in_chans, side
        for row in spec.convs:
            conv = BinaryConv2d(
                channels,
                row.channels,
                row.kernel,
                stride=row.stride,
                padding=row.padding,
                pad_value=pad_value,
            )
            self.stages.append(
                _layer(conv, nn.BatchNorm2d, row.channels, pool=row.pool, stochastic=stochastic)
            )
            side = (side + 2 * row.padding - row.kernel) // row.stride + 1
            if row.pool[0]:
                side = (side - row.pool[0]) // row.pool[1] + 1
            if side < 1:
                raise UsageError(f"size={whole} is too small: no position is left of the map")
            info.append(FeatureInfo(len(info), row.channels, round(whole / side)))
            channels = row.channels
        self.feature_info, self.exact_reduction = tuple(info), False
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential()
        features = channels * side**2
        for outputs in spec.hidden:
            linear = BinaryLinear(features, outputs)
            self.hidden.append(_layer(linear, nn.BatchNorm1d, outputs, stochastic=stochastic))
            features = outputs
        self.dropout = nn.Dropout(rate(dropout, "dropout"))
        self.classifier = _classifier(features, num_classes)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the bits in front of dropout and classifier, (N, C)."""
        last = self.forward_features(x)[-1] if len(self.stages) else self.stem(x)
        return self.hidden(self.flatten(last))


def _layer(
    weighted: nn.Module,
    norm: Callable[..., nn.Module],
    channels: int,
    *,
    pool: tuple[int, int] = (0, 0),
    stochastic: bool,
) -> nn.Sequential:
    """Return ``conv`` or ``linear``, ``pool`` on whole numbers, ``norm`` and ``act``."""
    name = "conv" if isinstance(weighted, BinaryConv2d) else "linear"
    layers: OrderedDict[str, nn.Module] = OrderedDict({name: weighted})
    if pool[0]:
        layers["pool"] = nn.MaxPool2d(*pool)
    layers["norm"] = norm(channels, eps=EPS, momentum=NORM_MOMENTUM)
    layers["act"] = Sign(stochastic=stochastic)
    return nn.Sequential(layers)


def _classifier(features: int, num_classes: int) -> nn.Module:
    """Return the last layer, binary too, and the norm behind it that makes logits of its sums."""
    if not num_classes:
        return nn.Identity()
    norm = nn.BatchNorm1d(num_classes, eps=EPS, momentum=NORM_MOMENTUM)
    return nn.Sequential(OrderedDict(linear=BinaryLinear(features, num_classes), norm=norm))


def _vgg_rows(*channels: int) -> tuple[Conv, ...]:
    """Return two convolutions of each width, with a pool of 2 behind the second."""
    return tuple(Conv(c, pool=pool) for c in channels for pool in ((0, 0), (2, 2)))


PERCEPTRON = BinaryNetSpec(convs=(), hidden=(2048,) * 3, size=28)
CIFAR10 = BinaryNetSpec(convs=_vgg_rows(128, 256, 512), hidden=(1024, 1024), size=32)
SVHN = BinaryNetSpec(convs=_vgg_rows(64, 128, 256), hidden=(1024, 1024), size=32)
ALEXNET = BinaryNetSpec(
    convs=(
        Conv(192, 11, 4, 2, pool=(3, 2)),
        Conv(576, 5, 1, 2, pool=(3, 2)),
        Conv(1152),
        Conv(768),
        Conv(256, pool=(3, 2)),
    ),
    hidden=(4096, 4096),
    size=224,
)
WIDE_PERCEPTRON = BinaryNetSpec(convs=(), hidden=(4096,) * 3, size=28)

register_family(
    BinaryNet,
    {
        "bnn_mnist": Member(PERCEPTRON, 10_027_028, 10_014_720, "3 x 2048", input=(1, 28, 28)),
        "bnn_mnist_4096": Member(
            WIDE_PERCEPTRON, 36_831_252, 36_806_656, "3 x 4096", input=(1, 28, 28)
        ),
        "bnn_cifar10": Member(CIFAR10, 14_029_716, 616_966_144, "128 to 512 channels"),
        "bnn_svhn": Member(SVHN, 6_403_540, 158_017_536, "64 to 256 channels"),
    },
    paper="arXiv:1609.07061",
    input=(3, 32, 32),
    classes=10,
)
register_family(
    BinaryNet,
    {"bnn_alexnet": Member(ALEXNET, 77_184_784, 4_938_978_368, "three times as wide")},
    paper="arXiv:1609.07061",
)
