"""The loop that optimizers share whose rule looks at one parameter at a time."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class UpdateRule(Optimizer):
    """An optimizer that is its `update`; abstract.

    Args:
        params: parameters, or groups with settings of their own.
        settings: of every group that has none of its own: `lr`, and what the rule names.
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[dict[str, Any]], **settings: float
    ) -> None:
        super().__init__(params, settings)

    @torch.no_grad()
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]  torch overloads it
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update every parameter that has a gradient; return the loss of ``closure``, if any."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, group)
        return loss

    def update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Change one parameter in place, with the settings of its group; gradients are off."""
        raise NotImplementedError
