"""SGD as AlexNet was trained: the velocity holds the learning rate and the weight decay.

    v <- momentum v - weight_decay lr w - lr g
    w <- w + v

Paper    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012,
         section 5
Departs  nowhere. `torch.optim.SGD` keeps the velocity without the learning rate: equal while the
         rate is constant; after a drop, that one slows down at once, this one within a few steps
Letters  v velocity, w weight, g gradient
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class VelocitySGD(Optimizer):
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

    @torch.no_grad()
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]  torch overloads it
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, decay = group["lr"], group["weight_decay"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity = state["velocity"]
                velocity.mul_(group["momentum"]).add_(weight, alpha=-decay * lr)
                weight.add_(velocity.add_(weight.grad, alpha=-lr))
        return loss
