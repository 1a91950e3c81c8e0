"""The update rules that a recipe may choose, each with what that rule has.

All have a learning rate `lr` (the highest one, for the recipe's batch as it is), a `weight_decay`,
a `clip_norm` (gradients are first scaled down to this norm; None leaves them) and `groups`: which
parameters learn at another rate, and which are decayed. `optimizers` builds them.
"""

from dataclasses import dataclass, field
from typing import Literal

from fleetfoot.core.ranges import BelowOne, Factor, NotNegative, Positive, check_fields


@dataclass(frozen=True, kw_only=True)
class Groups:
    """How parameters differ in learning rate and decay; by default only weights are decayed.

    Attributes:
        layer_decay: factor on the learning rate per layer counted from the classifier down;
            None is 1.
        body_lr: factor on the learning rate of everything but the classifier.
        bias_lr: factor on the learning rate of biases outside the classifier.
        decay_norms_and_biases: also decay parameters with fewer than two axes.
        decay_biases: of those, decay the biases of layers alone, and not the norms.
    """

    layer_decay: Factor | None = None
    body_lr: NotNegative = 1.0
    bias_lr: Positive = 1.0
    decay_norms_and_biases: bool = False
    decay_biases: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Adam that shrinks weights by lr * weight_decay; `momentum` is its first beta."""

    kind: Literal["adamw"] = field(default="adamw", init=False)
    lr: Positive = 1e-3
    momentum: BelowOne = 0.9
    beta2: BelowOne = 0.999
    weight_decay: NotNegative = 0.05
    clip_norm: Positive | None = None
    groups: Groups = Groups()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent; the weight decay is added to the gradient."""

    kind: Literal["sgd"] = field(default="sgd", init=False)
    lr: Positive = 0.1
    momentum: BelowOne = 0.9
    nesterov: bool = True
    weight_decay: NotNegative = 0.0
    clip_norm: Positive | None = None
    groups: Groups = Groups()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class VelocitySGD:
    """AlexNet's rule: the velocity holds the learning rate and the weight decay."""

    kind: Literal["velocity_sgd"] = field(default="velocity_sgd", init=False)
    lr: Positive = 0.01
    momentum: BelowOne = 0.9
    weight_decay: NotNegative = 0.0
    clip_norm: Positive | None = None
    groups: Groups = Groups()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class RMSProp:
    """TensorFlow's RMSProp; `beta2` is what is left of the mean square after a step."""

    kind: Literal["rmsprop"] = field(default="rmsprop", init=False)
    lr: Positive = 0.01
    momentum: BelowOne = 0.9
    beta2: BelowOne = 0.9
    weight_decay: NotNegative = 0.0
    clip_norm: Positive | None = None
    groups: Groups = Groups()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Muon:
    """Filter banks by orthogonal updates, which all have one size; the rest by Nesterov's SGD.

    Attributes:
        lr, momentum, weight_decay: of the rest.
        muon_lr, muon_momentum: of filter banks, which are not decayed.
    """

    kind: Literal["muon"] = field(default="muon", init=False)
    lr: Positive = 1.0
    momentum: BelowOne = 0.9
    muon_lr: Positive = 0.12
    muon_momentum: BelowOne = 0.6
    weight_decay: NotNegative = 0.0
    clip_norm: Positive | None = None
    groups: Groups = Groups()

    def __post_init__(self) -> None:
        check_fields(self)


Rule = AdamW | SGD | VelocitySGD | RMSProp | Muon
