"""What a block costs: its leaves at the shapes that reach them, and the sums of maps between.

Method   the block is traced as a rewrite would see it and walked on tensors without data: a leaf
         adds its own formula, a sum of two maps one operation an element, a concatenation nothing
"""

import copy
import operator
from typing import Any

import torch
from torch import fx, nn

from fleetfoot.core.costs import Cost, Shape, formula_for
from fleetfoot.core.trace import trace
from fleetfoot.ops import torch_layers  # noqa: F401  # pyright: ignore[reportUnusedImport]  registers formulas


def cost_of_parts(module: nn.Module, *in_shapes: Shape) -> Cost:
    """Return the work of one call of ``module`` in evaluation mode; ``module`` is not touched.

    Args:
        module: anything that traces: a block, or a `torch.nn.Sequential` of layers.
        in_shapes: of its inputs, batch axis included.

    Raises:
        TypeError: a leaf without a cost formula, or arithmetic other than a sum.
    """
    graph = trace(copy.deepcopy(module).eval()).to("meta", torch.float32)
    walk = _Walk(graph)
    with torch.no_grad():
        walk.run(*(torch.empty(shape, device="meta") for shape in in_shapes))
    return walk.cost


class _Walk(fx.Interpreter):
    """Runs a graph and adds up what its nodes cost."""

    cost = Cost()

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaf = self.fetch_attr(target)
        formula = formula_for(leaf)
        if formula is None:
            raise TypeError(f"{target}: {type(leaf).__name__} has no cost formula")
        self.cost += formula(leaf, *(tuple(x.shape) for x in args))
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = super().call_function(target, args, kwargs)
        if target is operator.add:
            self.cost += Cost(elementwise_ops=out.numel())
        elif target is not torch.cat:
            raise TypeError(f"{target} between the layers of a block has no cost rule")
        return out
