"""SGD as AlexNet was trained: the velocity holds the learning rate and the weight decay.

    v <- momentum v - weight_decay lr w - lr g
    w <- w + v

Paper    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012,
         section 5
Departs  nowhere. `torch.optim.SGD` keeps the velocity without the learning rate: equal while the
         rate is constant; after a drop, that one slows down at once, this one within a few steps
Letters  v velocity, w weight, g gradient
"""

from typing import Any

import torch
from torch import Tensor

from fleetfoot.train.optim.update_rule import UpdateRule


class VelocitySGD(UpdateRule):
    """The update rule above, with `lr`, `momentum` and `weight_decay`."""

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        lr, state = group["lr"], self.state[parameter]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(parameter)
        velocity = state["velocity"]
        velocity.mul_(group["momentum"]).add_(parameter, alpha=-group["weight_decay"] * lr)
        parameter.add_(velocity.add_(gradient, alpha=-lr))
