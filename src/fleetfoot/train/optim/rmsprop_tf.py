"""RMSProp as TensorFlow has it, which the EfficientNets were trained with.

    s <- decay s + (1 - decay) g^2,   s starts at 1
    m <- momentum m + lr g / sqrt(s + epsilon)
    w <- w - m

Paper    Tan, Le, "EfficientNet", ICML 2019, arXiv:1905.11946, section 5; the rule is that of
         `tf.train.RMSPropOptimizer`, after Hinton's lecture 6e, 2012
Departs  nowhere. `torch.optim.RMSprop` starts s at 0, adds epsilon outside the root and keeps m
         without the learning rate: with epsilon = 0.001 that is another step size
Letters  s mean square, g gradient, m momentum, w weight
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from fleetfoot.train.optim.update_rule import UpdateRule

EPSILON = 1e-3


class RMSPropTF(UpdateRule):
    """The update rule above.

    Args:
        params: parameters, or groups with settings of their own.
        lr: learning rate.
        momentum: what is left of the last update.
        decay: what is left of the mean square after a step.
        epsilon: added to the mean square, inside the root.
        weight_decay: times the weight, added to the gradient before all else.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.9,
        decay: float = 0.9,
        epsilon: float = EPSILON,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
        super().__init__(params, settings | {"weight_decay": weight_decay})

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, decay = self.state[parameter], group["decay"]
        if "square" not in state:
            state["square"] = torch.ones_like(parameter)
            state["momentum"] = torch.zeros_like(parameter)
        gradient = gradient.add(parameter, alpha=group["weight_decay"])
        square = state["square"].mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        step = gradient.mul(group["lr"]).div_(square.add(group["epsilon"]).sqrt_())
        parameter.sub_(state["momentum"].mul_(group["momentum"]).add_(step))
