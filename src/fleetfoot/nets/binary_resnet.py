"""Residual networks for CIFAR whose inner convolutions are binary: FDA's and ReCU's forms.

Paper    Xu et al., FDA-BNN, NeurIPS 2021, arXiv:2103.00841, and its released code: two units of
         sign, convolution, PReLU and norm inside each shortcut. Xu et al., ReCU, ICCV 2021,
         arXiv:2103.12369, and its code: a shortcut and a hard tanh around each convolution. Shi et
         al., RepBNN, 2022, arXiv:2207.09049: ReCU's with maps beta times as wide. The plain
         estimator is the baseline of FDA's paper: its network, with the slope of the hard tanh
Departs  the sign of 0 is +1, see `ops.sign`. ReCU's ResNet-18 takes the shortcuts
         of its ResNet-20 (mean of 2x2, zeros for new channels), where its paper has one around two
         convolutions that it does not describe
Letters  N batch, H height, W width
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, one_of
from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.protocol import Classifier, FeatureInfo
from fleetfoot.ops.binary_conv import BinaryConv2d
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.ops.quantise import Quantise
from fleetfoot.ops.recu_conv import NormalisedSign, RecuConv2d
from fleetfoot.ops.repeat_conv import Tile
from fleetfoot.ops.sign import SLOPES, Sign
from fleetfoot.ops.sine_sign import SineConv2d, SineSign
from fleetfoot.ops.zero_shortcut import ZeroShortcut

ESTIMATORS = (*SLOPES, "sine", "recu")
SIGNS: dict[str, Callable[[], nn.Module]] = {"sine": SineSign, "recu": NormalisedSign}
CONVS: dict[str, Callable[..., nn.Module]] = {
    "sine": partial(SineConv2d, scale="layer"),
    "recu": RecuConv2d,
}


@dataclass(frozen=True, kw_only=True)
class BinaryResNetSpec:
    """Everything that decides the shape of one member of the family."""

    form: Literal["fda", "recu"]  # of the blocks
    estimator: str  # what signs and latent weights learn by, one of `ESTIMATORS`
    blocks: int = 3  # of each stage
    channels: tuple[int, ...] = (16, 32, 64)  # of each stage, before they are repeated
    repeats: int = 1  # beta of RepConv


class Block(nn.Module):
    """Two binary units with their shortcuts, (N, C, H, W) to (N, C', H / stride, W / stride).

    Args:
        units: of which the second keeps the shape.
        shortcut: from the input to the shape of the output of the first.
        each: a shortcut around each unit, `act` behind it; else one around both, and no `act`.
    """

    def __init__(
        self, units: tuple[nn.Module, nn.Module], shortcut: nn.Module, *, each: bool
    ) -> None:
        super().__init__()
        self.unit1, self.unit2 = units
        self.shortcut = shortcut
        self.each = each
        self.act = nn.Hardtanh() if each else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if not self.each:
            return self.unit2(self.unit1(x)) + self.shortcut(x)
        x = self.act(self.unit1(x) + self.shortcut(x))
        return self.act(self.unit2(x) + x)


class BinaryResNet(Classifier):
    """Images (N, in_chans, H, W) to logits (N, num_classes); first and last layer are real.

    Args:
        estimator: another than the member's, one of `ESTIMATORS`.
        activation_bits: 1, or 2 to 16 for activations of k bits (QNN's linear form).
        repeats: another beta than the member's, a divisor of the channels of every stage.
        dropout: rate before the classifier.

    Raises:
        UsageError: an estimator that does not exist.
        ShapeError: ``repeats`` does not divide the channels of a stage.
    """

    def __init__(
        self,
        spec: BinaryResNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        estimator: str | None = None,
        activation_bits: int = 1,
        repeats: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.form = spec.form
        self.estimator = one_of(estimator or spec.estimator, ESTIMATORS, "estimator")
        if at_least(1, activation_bits, "activation_bits") > 1 and self.estimator == "sine":
            raise UsageError("estimator='sine' is of signs: activations of several bits have none")
        self.activation_bits = activation_bits
        self.repeats = at_least(1, repeats or spec.repeats, "repeats")
        narrow = spec.channels[0]
        stem = conv_norm_act(in_chans, narrow, act=nn.Hardtanh if self.form == "recu" else None)
        self.stem = stem if self.repeats == 1 else nn.Sequential(stem, Tile(self.repeats))
        self.stages = nn.Sequential()
        for width in spec.channels:
            blocks = nn.Sequential()
            for _ in range(spec.blocks):
                blocks.append(self._block(narrow, width))
                narrow = width
            self.stages.append(blocks)
        self.feature_info = tuple(
            FeatureInfo(stage, width * self.repeats, 2**stage)
            for stage, width in enumerate(spec.channels)
        )
        self.min_size = 1
        features = narrow * self.repeats
        self.add_linear_head(features, num_classes, dropout=dropout)
        self.act = nn.ReLU() if self.form == "fda" else nn.Identity()
        self.norm = nn.BatchNorm1d(features) if self.form == "recu" else nn.Identity()
        _reset(self)

    def forward_pooled(self, x: Tensor) -> Tensor:
        """Return the features in front of dropout and classifier, (N, C)."""
        return self.norm(self.flatten(self.pool(self.act(self.forward_features(x)[-1]))))

    def _block(self, narrow: int, width: int) -> Block:
        grows = narrow != width
        units = self._unit(narrow, width, 2 if grows else 1), self._unit(width, width, 1)
        shortcut: nn.Module = nn.Identity()
        if grows:
            wide, fda = width * self.repeats, self.form == "fda"
            zeros = ZeroShortcut(wide, 2 if fda else 1, centred=True)
            shortcut = zeros if fda else nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), zeros)
        return Block(units, shortcut, each=self.form == "recu")

    def _unit(self, narrow: int, width: int, stride: int) -> nn.Sequential:
        """Return sign, binary convolution, tiling if any, PReLU in FDA's form, and norm."""
        if width % self.repeats:
            raise ShapeError(
                f"repeats={self.repeats} does not divide {width} channels: give a divisor"
            )
        make = CONVS.get(self.estimator, partial(BinaryConv2d, scale="layer"))
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            sign=self._sign(),
            conv=make(narrow * self.repeats, width // self.repeats, 3, stride=stride, padding=1),
        )
        if self.repeats > 1:
            layers["tile"] = Tile(self.repeats**2)
        if self.form == "fda":
            layers["act"] = nn.PReLU()
        layers["norm"] = nn.BatchNorm2d(width * self.repeats)
        return nn.Sequential(layers)

    def _sign(self) -> nn.Module:
        if self.activation_bits > 1:
            return Quantise(self.activation_bits)
        return SIGNS.get(self.estimator, partial(Sign, self.estimator))()


def _reset(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, BinaryConv2d)):
            nn.init.kaiming_normal_(module.weight)


RESNET18 = BinaryResNetSpec(form="recu", estimator="recu", blocks=2, channels=(64, 128, 256, 512))
REPEATED = BinaryResNetSpec(form="recu", estimator="recu", repeats=2)
PLAIN = BinaryResNetSpec(form="fda", estimator="window")
SINES = BinaryResNetSpec(form="fda", estimator="sine")
RECU = BinaryResNetSpec(form="recu", estimator="recu")
VARIANTS = {
    "bnn_resnet20": Member(PLAIN, 269_740, 40_551_040, "plain estimator, FDA's baseline"),
    "fda_resnet20": Member(SINES, 269_740, 40_551_040, "learns by a series of sines"),
    "recu_resnet20": Member(RECU, 270_522, 40_551_040, "tails of the weights are clamped"),
    "rep_recu_resnet20": Member(REPEATED, 272_298, 40_551_680, "ReCU, maps twice as wide"),
    "recu_resnet18": Member(RESNET18, 11_005_002, 549_131_264, "64 to 512 channels"),
}
register_family(BinaryResNet, VARIANTS, paper="arXiv:2103.00841", input=(3, 32, 32), classes=10)
