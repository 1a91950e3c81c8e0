"""Muon for convolution filters, Nesterov SGD for everything else.

The update of a filter bank is its Nesterov momentum, made orthogonal: all its singular values are
brought near one, so that rare directions are learned as fast as common ones. The bank itself is
brought back to one norm before every step; a batch norm behind it does not notice.

Source   Jordan et al., "Muon", 2024 (kellerjordan.github.io/posts/muon); with the norm and three
         iterations as in the CIFAR-10 runs of Jordan, 2024, arXiv:2404.00498
Departs  `torch.optim.Muon` takes matrices only; a bank (O, I, K, K) is the matrix (O, I K K) here
Letters  O output channels, I input channels, K kernel, G update as a matrix
"""

from typing import Any

import torch
from torch import Tensor

from fleetfoot.train.optim.update_rule import UpdateRule

ITERATIONS = 3
QUINTIC = (3.4445, -4.7750, 2.0315)  # of the iteration: fast rather than exact
SMALL = 1e-7


class Muon(UpdateRule):
    """The update rule above; groups with ``orthogonal=True`` hold filter banks.

    Each group has `lr`, `momentum` and `weight_decay`, which filter banks do without.
    """

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if not group["orthogonal"] and group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        step = gradient.add(momentum, alpha=group["momentum"])
        if group["orthogonal"]:
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
            step = orthogonal(step.flatten(1)).view_as(parameter)
        parameter.add_(step, alpha=-group["lr"])


def orthogonal(update_OG: Tensor) -> Tensor:
    """Return a matrix with the same singular vectors and singular values near one.

    Newton-Schulz iterations in bfloat16, so few that they end near one and not at it: between 0.6
    and 1.3 for a bank of random filters. Much smaller ones, which are noise, stay smaller.
    """
    a, b, c = QUINTIC
    x = update_OG.bfloat16()
    x = x / (x.norm() + SMALL)
    if x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    if update_OG.shape[0] > update_OG.shape[1]:
        x = x.T
    return x.to(update_OG.dtype)
