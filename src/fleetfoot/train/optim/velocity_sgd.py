"""SGD as AlexNet was trained: the velocity holds the learning rate and the weight decay.

    v <- momentum v - weight_decay lr w - lr g
    w <- w + v

Paper    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012,
         section 5
Departs  nowhere. `torch.optim.SGD` keeps the velocity without the learning rate: equal while the
         rate is constant; after a drop, that one slows down at once, this one within a few steps
Letters  v velocity, w weight, g gradient
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from fleetfoot.train.optim.update_rule import UpdateRule


class VelocitySGD(UpdateRule):
    """The update rule above.

    Args:
        params: parameters, or groups with settings of their own.
        lr: learning rate.
        momentum: what is left of the velocity after a step.
        weight_decay: shrinks the weights by ``lr * weight_decay``, through the velocity.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        lr, state = group["lr"], self.state[parameter]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(parameter)
        velocity = state["velocity"]
        velocity.mul_(group["momentum"]).add_(parameter, alpha=-group["weight_decay"] * lr)
        parameter.add_(velocity.add_(gradient, alpha=-lr))
