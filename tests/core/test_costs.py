"""The table of cost formulas: exact types, no silent second formula."""

import pytest
from torch import nn

from fleetfoot.core.costs import Cost, cost_formula, costed_types, formula_for


class Doubling(nn.Module):
    """A module of this test alone."""


def test_costs_add_up() -> None:
    assert Cost(1, 2) + Cost(10, 20) == Cost(11, 22)


def test_a_type_has_one_formula() -> None:
    assert formula_for(Doubling()) is None
    cost_formula(Doubling)(lambda module, shape: Cost(elementwise_ops=shape[0]))
    formula = formula_for(Doubling())
    assert formula is not None
    assert formula(Doubling(), (3,)) == Cost(0, 3)
    assert Doubling in costed_types()
    with pytest.raises(ValueError, match="Doubling already has a cost formula"):
        cost_formula(Doubling)(lambda module, shape: Cost())


def test_a_subclass_may_cost_something_else() -> None:
    class Special(nn.Linear):
        pass

    assert formula_for(Special(2, 2)) is None
