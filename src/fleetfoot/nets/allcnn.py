"""All-CNN: halving by a strided convolution instead of a pool, and the networks it is held against.

Paper    Springenberg et al., "Striving for Simplicity", ICLR 2015 workshop, arXiv:1412.6806;
         `BASES` is its Table 1, `Form` its section 2: how the two poolings of a base are written
Departs  Xavier weights (the paper gives none). `strided` drops out behind the strided layer. The
         class maps pass a ReLU, as in the re-implementations; `logit_relu=False` leaves it out.
         The layers of the ImageNet network are not confirmed: they fit the paper's number of
         layers and parameters, and each is padded by half its kernel, which is ours
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from torch import Tensor, nn

from fleetfoot.core.arguments import one_of, rate
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo


class Form(Enum):
    """What stands where the base has its two max pools."""

    BASE = "max pools, 3x3 by steps of 2"
    STRIDED = "no pools: the layers in front of them take steps of 2"
    CONVPOOL = "one more 3x3 layer in front of each pool"
    ALL = "a 3x3 layer with steps of 2 for each pool"


class Layer(NamedTuple):
    """One convolution with ReLU."""

    kernel_size: int
    channels: int
    stride: int = 1
    padded: bool = True  # by kernel_size // 2 on each side


@dataclass(frozen=True, kw_only=True)
class AllCNNSpec:
    """Everything that decides the shape of one member of the family."""

    stages: tuple[tuple[Layer, ...], ...]
    pooled: tuple[int, ...] = ()  # stages that end in a max pool
    dropped: tuple[int, ...] = (0, 1)  # stages that end in dropout
    input_dropout: float = 0.2


BASES = {"a": (5,), "b": (5, 1), "c": (3, 3)}  # kernels of a stage in front of its pool
TAIL = (Layer(3, 192, padded=False), Layer(1, 192))
IMAGENET = AllCNNSpec(
    stages=(
        (Layer(11, 96, stride=4), Layer(1, 96), Layer(3, 96, stride=2)),
        (Layer(5, 256), Layer(1, 256), Layer(3, 256, stride=2)),
        (Layer(3, 384), Layer(1, 384), Layer(3, 384, stride=2)),
        (Layer(3, 1024), Layer(1, 1024)),
    ),
    dropped=(2,),
    input_dropout=0.0,
)


def cifar_spec(base: str, form: Form) -> AllCNNSpec:
    """Return base "a", "b" or "c" in one of the four forms."""
    one_of(base, BASES, "base")
    stages: list[tuple[Layer, ...]] = []
    for channels in (96, 192):
        layers = [Layer(kernel, channels) for kernel in BASES[base]]
        if form is Form.STRIDED:
            layers[-1] = layers[-1]._replace(stride=2)
        elif form is not Form.BASE:
            layers.append(Layer(3, channels, stride=2 if form is Form.ALL else 1))
        stages.append(tuple(layers))
    pooled = (0, 1) if form in (Form.BASE, Form.CONVPOOL) else ()
    return AllCNNSpec(stages=(*stages, TAIL), pooled=pooled)


class AllCNN(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes), the mean of one map a class.

    Args:
        num_classes: 0 gives the mean of the map in front of the class maps.
        dropout: rate behind each halving, 0.5 as published.
        input_dropout: rate on the single numbers of the image, None is the published one.
        logit_relu: a ReLU on the class maps, as in the re-implementations.
    """

    def __init__(
        self,
        spec: AllCNNSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        dropout: float = 0.5,
        input_dropout: float | None = None,
        logit_relu: bool = True,
    ) -> None:
        super().__init__()
        on_input = spec.input_dropout if input_dropout is None else input_dropout
        self.stem = nn.Dropout(rate(on_input, "input_dropout"))
        self.stages = nn.Sequential()
        info: list[FeatureInfo] = []
        channels, reduction = in_chans, 1
        for index, layers in enumerate(spec.stages):
            parts: OrderedDict[str, nn.Module] = OrderedDict()
            for number, layer in enumerate(layers):
                pad = layer.kernel_size // 2 if layer.padded else 0
                conv = nn.Conv2d(channels, layer.channels, layer.kernel_size, layer.stride, pad)
                parts[f"conv{number}"] = conv
                parts[f"act{number}"] = nn.ReLU()
                channels, reduction = layer.channels, reduction * layer.stride
            if index in spec.pooled:
                parts["pool"] = nn.MaxPool2d(3, 2, ceil_mode=True)
                reduction *= 2
            if index in spec.dropped:
                parts["dropout"] = nn.Dropout(rate(dropout, "dropout"))
            self.stages.append(nn.Sequential(parts))
            info.append(FeatureInfo(index, channels, reduction))
        self.feature_info = tuple(info)
        self.exact_reduction = all(layer.padded for layers in spec.stages for layer in layers)
        # The unpadded 3x3 layer needs 3 positions: of 12 and 6 with pools, which halve downwards,
        # of 9 and 5 with strided layers, which halve upwards.
        self.min_size = 1 if self.exact_reduction else 12 if spec.pooled else 9
        self.classifier = nn.Conv2d(channels, num_classes, 1) if num_classes else nn.Identity()
        self.act = nn.ReLU() if logit_relu and num_classes else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights by Xavier's rule; biases are 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.flatten(self.pool(self.act(self.classifier(self.forward_features(x)[-1]))))


def _member(base: str, form: Form, params: int, macs: int) -> Member:
    note = f"model {base.upper()}: {form.value}"
    return Member(cifar_spec(base, form), params, macs, note, input=(3, 32, 32), classes=10)


register_family(
    AllCNN,
    {
        "allcnn_a_base": _member("a", Form.BASE, 839_242, 138_677_760),
        "allcnn_a_strided": _member("a", Form.STRIDED, 839_242, 44_674_560),
        "allcnn_a_convpool": _member("a", Form.CONVPOOL, 1_254_250, 308_547_072),
        "allcnn_a": _member("a", Form.ALL, 1_254_250, 181_145_088),
        "allcnn_b_base": _member("b", Form.BASE, 885_610, 157_552_128),
        "allcnn_b_strided": _member("b", Form.STRIDED, 885_610, 143_396_352),
        "allcnn_b_convpool": _member("b", Form.CONVPOOL, 1_300_618, 327_421_440),
        "allcnn_b": _member("b", Form.ALL, 1_300_618, 200_019_456),
        "allcnn_c_base": _member("c", Form.BASE, 954_730, 228_331_008),
        "allcnn_c_strided": _member("c", Form.STRIDED, 954_730, 100_929_024),
        "allcnn_c_convpool": _member("c", Form.CONVPOOL, 1_369_738, 398_200_320),
        "allcnn_c": _member("c", Form.ALL, 1_369_738, 270_798_336),
        "allcnn_b_imagenet": Member(
            IMAGENET,
            9_372_840,
            1_394_190_336,
            "model B for ImageNet: 12 layers, not confirmed; the padding is ours",
        ),
    },
    paper="arXiv:1412.6806",
)
