"""Convolution and linear layer whose weights are connected or not, by a mask that is learnt.

Paper    Tang et al., "Automatic Sparse Connectivity Learning", 2022, arXiv:2201.05020, as
         `ops.connectivity` has it; magnitude pruning sets the same mask
Departs  nowhere; what moves the mask is `train.optim.masks`
Cost     of the plain layer, and two operations a weight
Letters  O outputs, the rest of a filter's axes are its own
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.costs import cost_formula
from fleetfoot.ops.annealed import Annealed
from fleetfoot.ops.connectivity import connected, masked_weight
from fleetfoot.ops.torch_layers import conv_cost, linear_cost

FIRST = 0.5  # of every mask variable: the network begins dense


START, END = 0.1, 0.6  # shares of the run between which connections go; frozen from there on


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """How the masks of a network move, see `train.optim.masks`.

    Attributes:
        rule: SCL's gradient, or the size of weights, all at once or gradually, or of whole filters
            of each layer.
        density: share of the connections that stays; None leaves it to `penalty`.
        penalty: of SCL, on each connection, in units of a mask gradient's size.
    """

    rule: Literal["scl", "gradual", "oneshot", "channels"]
    density: float | None
    penalty: float | None = None

    def target(self, progress: float) -> float:
        """Return the density that is due when a share of the run is done (Zhu and Gupta's cubic).

        >>> [round(Pruning(rule="gradual", density=0.2).target(p), 2) for p in (0, 0.35, 0.6)]
        [1.0, 0.3, 0.2]
        """
        last = 0.0 if self.density is None else self.density
        done = min(1.0, max(0.0, (progress - START) / (END - START)))
        if self.rule == "oneshot":
            done = float(progress >= START)
        return last + (1 - last) * (1 - done) ** 3


class Masked(Annealed):
    """What both layers share.

    Attributes:
        pruning: how masks move; the same for all layers of a network.
        followed_by: the norm behind the layer, if any: a filter that goes takes its channel along.
        mask: variables in the shape of the weight; above 0 a weight is connected.
        penalty: on each connection, of the rule that moves the mask.
    """

    weight: Tensor
    mask: nn.Parameter
    penalty: Tensor
    pruning: Pruning = Pruning(rule="scl", density=None)
    followed_by: Sequence[nn.Module] = ()

    def acting(self) -> Tensor:
        """Return the weights as they act."""
        return masked_weight(self.weight, self.mask)

    @property
    def settled(self) -> bool:
        """Whether no connection comes or goes any more, so that the network can be judged."""
        return self.progress >= END

    @property
    def density(self) -> float:
        """The share of the weights that is connected."""
        return float(connected(self.mask).mean())


class MaskedConv2d(nn.Conv2d, Masked):
    """`torch.nn.Conv2d` with a mask; arguments as there."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        _connect_all(self)

    @staticmethod
    def of(conv: nn.Conv2d, pruning: Pruning) -> "MaskedConv2d":
        """Return the layer over the weights of a plain one, all connected."""
        layer = MaskedConv2d(*_shape_of(conv))
        return _over(layer, conv, pruning)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.acting(), self.bias)

    def plain(self) -> nn.Conv2d:
        """Return the plain layer; what is not connected is 0."""
        layer = nn.Conv2d(*_shape_of(self))
        return _with_zeros(layer, self)


class MaskedLinear(nn.Linear, Masked):
    """`torch.nn.Linear` with a mask; arguments as there."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        _connect_all(self)

    @staticmethod
    def of(linear: nn.Linear, pruning: Pruning) -> "MaskedLinear":
        """Return the layer over the weights of a plain one, all connected."""
        layer = MaskedLinear(linear.in_features, linear.out_features, linear.bias is not None)
        return _over(layer, linear, pruning)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.acting(), self.bias)

    def plain(self) -> nn.Linear:
        """Return the plain layer; what is not connected is 0."""
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None)
        return _with_zeros(layer, self)


def masked_layers(net: nn.Module) -> dict[str, "MaskedConv2d | MaskedLinear"]:
    """Return the layers with masks by path."""
    kinds = (MaskedConv2d, MaskedLinear)
    return {path: m for path, m in net.named_modules() if isinstance(m, kinds)}


def _shape_of(conv: Any) -> tuple[Any, ...]:
    """Return the arguments that make a convolution of the same shape."""
    sides = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    return (
        *(conv.in_channels, conv.out_channels, *sides),
        *(conv.groups, conv.bias is not None, conv.padding_mode),
    )


def _connect_all(layer: Any) -> None:
    layer.mask = nn.Parameter(torch.full_like(layer.weight, FIRST))
    layer.register_buffer("penalty", torch.zeros((), device=layer.weight.device))


def _over(layer: Any, plain: nn.Conv2d | nn.Linear, pruning: Pruning) -> Any:
    layer.to(plain.weight.device)
    layer.weight, layer.bias, layer.pruning = plain.weight, plain.bias, pruning
    return layer.train(plain.training)


def _with_zeros(layer: Any, masked: "MaskedConv2d | MaskedLinear") -> Any:
    layer.weight = nn.Parameter(masked.acting().detach().clone())
    layer.bias = masked.bias
    return layer.train(masked.training)


cost_formula(MaskedConv2d)(conv_cost)
cost_formula(MaskedLinear)(linear_cost)
