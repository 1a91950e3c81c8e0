"""AdaMax by shifts: what the step is multiplied with and divided by are powers of two.

    m <- b1 m + (1 - b1) g
    v <- max(b2 v, |g|)
    w <- w - AP2(lr / (1 - b1^t)) m / AP2(v)

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, algorithm 4, and
         "Binarized Neural Networks", arXiv:1602.02505; AP2 is `ops.quantise.power_of_two`
Departs  v keeps its digits. The authors' code stores AP2(v), which with their b2 of 0.999 rounds
         back to the same power after every step: a v that has once been large never falls again.
         AP2(v) is EPSILON at least, itself a power of two, where they add it
Letters  m mean gradient, v largest gradient, g gradient, w weight, t steps
"""

from typing import Any

import torch
from torch import Tensor

from fleetfoot.ops.quantise import power_of_two
from fleetfoot.train.optim.update_rule import UpdateRule

EPSILON = 2.0**-27


class ShiftAdaMax(UpdateRule):
    """The update rule above, with `lr`, `momentum` (b1), `beta2` and `weight_decay`.

    The scale of a group, `lr_scale`, is no part of what is rounded: it multiplies the step. A
    weight decay, which the paper has not, is added to the gradient.
    """

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, beta1 = self.state[parameter], group["momentum"]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(parameter)
            state["largest"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros((), dtype=torch.float32)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        steps = state["step"].add_(1).item()
        mean = state["mean"].lerp_(gradient, 1 - beta1)
        largest = state["largest"].mul_(group["beta2"])
        torch.maximum(largest, gradient.abs(), out=largest)
        scale = group["lr_scale"]
        rate = group["lr"] / scale / (1 - beta1**steps) if scale else 0.0
        size = float(power_of_two(torch.tensor(rate, dtype=torch.float64))) * scale
        # AP2 of numbers above zero, in place: these passes are the most of the step's time.
        power = largest.clamp_min(EPSILON).log2_().round_().exp2_()
        parameter.addcdiv_(mean, power, value=-size)
