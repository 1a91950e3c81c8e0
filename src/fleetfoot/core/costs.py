"""What an operator costs, and where its formula is kept.

1 MAC is one multiply and one add; FLOPs are 2 x MACs. Elementwise work (bias, norm, activation,
pooling) is counted apart and never inside MACs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Work of one call of a module: multiply-accumulates and elementwise operations."""

    macs: int = 0
    elementwise_ops: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.macs + other.macs, self.elementwise_ops + other.elementwise_ops)


CostFormula = Callable[..., Cost]
_formulas: dict[type[Any], CostFormula] = {}


def cost_formula(kind: type[Any]) -> Callable[[CostFormula], CostFormula]:
    """Register ``f(module, *input_shapes) -> Cost`` as the cost of modules of type ``kind``.

    Raises:
        ValueError: ``kind`` already has a formula.
    """

    def register(formula: CostFormula) -> CostFormula:
        if kind in _formulas:
            raise ValueError(f"{kind.__name__} already has a cost formula")
        _formulas[kind] = formula
        return formula

    return register


def free(module: "nn.Module", *in_shapes: Shape) -> Cost:
    """Return no cost: the formula of modules that at most copy in evaluation mode."""
    del module, in_shapes
    return Cost()


def per_element(operations: int) -> CostFormula:
    """Return the formula of modules with this many elementwise operations an input element."""
    return lambda _, in_shape, *__: Cost(elementwise_ops=operations * math.prod(in_shape))


def formula_for(module: "nn.Module") -> CostFormula | None:
    """Return the formula of a module's exact type, or None if there is none."""
    return _formulas.get(type(module))


def costed_types() -> tuple[type[Any], ...]:
    """Return every module type that has a formula, in order of name."""
    return tuple(sorted(_formulas, key=lambda kind: kind.__name__))
