"""The update rules that a recipe may choose, each with what that rule has.

`optimizers` builds them.
"""

from dataclasses import dataclass, field
from typing import Literal

from fleetfoot.core.ranges import BelowOne, Checked, Factor, NotNegative, Positive


@dataclass(frozen=True, kw_only=True)
class Groups(Checked):
    """How parameters differ in learning rate and decay; by default only weights are decayed.

    Attributes:
        layer_decay: factor on the learning rate per layer counted from the classifier down;
            None is 1.
        body_lr: factor on the learning rate of everything but the classifier.
        bias_lr: factor on the learning rate of biases outside the classifier.
        decay_norms_and_biases: also decay parameters with fewer than two axes.
        decay_biases: of those, decay the biases of layers alone, and not the norms.
        glorot: factor sqrt((fan_in + fan_out) / 1.5) on the learning rate of each weight, as binary
            networks were trained (arXiv:1602.02505): "exact", "power_of_two" (the nearest), or
            "none".
    """

    layer_decay: Factor | None = None
    body_lr: NotNegative = 1.0
    bias_lr: Positive = 1.0
    decay_norms_and_biases: bool = False
    decay_biases: bool = False
    glorot: Literal["none", "exact", "power_of_two"] = "none"


@dataclass(frozen=True, kw_only=True)
class _Rule(Checked):
    """What every rule has.

    Attributes:
        kind: its word.
        lr: the highest learning rate, for the recipe's batch as it is.
        momentum: what is left of the last update.
        weight_decay: pull of the weights towards 0.
        clip_norm: gradients are first scaled down to this norm; None leaves them.
        groups: which parameters learn at another rate, and which are decayed.
    """

    kind: str = field(default="", init=False)
    lr: Positive = 0.1
    momentum: BelowOne = 0.9
    weight_decay: NotNegative = 0.0
    clip_norm: Positive | None = None
    groups: Groups = Groups()


@dataclass(frozen=True, kw_only=True)
class AdamW(_Rule):
    """Adam that shrinks weights by lr * weight_decay; `momentum` is its first beta."""

    kind: Literal["adamw"] = field(default="adamw", init=False)
    lr: Positive = 1e-3
    beta2: BelowOne = 0.999
    weight_decay: NotNegative = 0.05


@dataclass(frozen=True, kw_only=True)
class SGD(_Rule):
    """Stochastic gradient descent; the weight decay is added to the gradient."""

    kind: Literal["sgd"] = field(default="sgd", init=False)
    lr: Positive = 0.1
    nesterov: bool = True


@dataclass(frozen=True, kw_only=True)
class VelocitySGD(_Rule):
    """AlexNet's rule: the velocity holds the learning rate and the weight decay."""

    kind: Literal["velocity_sgd"] = field(default="velocity_sgd", init=False)
    lr: Positive = 0.01


@dataclass(frozen=True, kw_only=True)
class RMSProp(_Rule):
    """TensorFlow's RMSProp; `beta2` is what is left of the mean square after a step."""

    kind: Literal["rmsprop"] = field(default="rmsprop", init=False)
    lr: Positive = 0.01
    beta2: BelowOne = 0.9


@dataclass(frozen=True, kw_only=True)
class ShiftAdaMax(_Rule):
    """AdaMax whose products are shifts; `momentum` is its first beta. Numbers are the paper's."""

    kind: Literal["shift_adamax"] = field(default="shift_adamax", init=False)
    lr: Positive = 2**-10
    momentum: BelowOne = 1 - 2**-3
    beta2: BelowOne = 1 - 2**-10


@dataclass(frozen=True, kw_only=True)
class Muon(_Rule):
    """Filter banks by orthogonal updates, which all have one size; the rest by Nesterov's SGD.

    Attributes:
        lr, momentum, weight_decay: of the rest.
        muon_lr, muon_momentum: of filter banks, which are not decayed.
    """

    kind: Literal["muon"] = field(default="muon", init=False)
    lr: Positive = 1.0
    muon_lr: Positive = 0.12
    muon_momentum: BelowOne = 0.6


Rule = AdamW | SGD | VelocitySGD | RMSProp | ShiftAdaMax | Muon
