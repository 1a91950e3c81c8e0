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

from typing import Any

import torch
from torch import Tensor

from fleetfoot.train.optim.update_rule import UpdateRule

EPSILON = 1e-3


class RMSPropTF(UpdateRule):
    """The update rule above, with `lr`, `momentum`, `decay` and `weight_decay`.

    The weight decay, times the weight, is added to the gradient before all else.
    """

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, decay = self.state[parameter], group["decay"]
        if "square" not in state:
            state["square"] = torch.ones_like(parameter)
            state["momentum"] = torch.zeros_like(parameter)
        gradient = gradient.add(parameter, alpha=group["weight_decay"])
        square = state["square"].mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        step = gradient.mul(group["lr"]).div_(square.add(EPSILON).sqrt_())
        parameter.sub_(state["momentum"].mul_(group["momentum"]).add_(step))
