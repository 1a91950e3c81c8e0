"""MaxDropout against its definition in NumPy; silent at evaluation unless told to drop always."""

import numpy as np
import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.max_dropout import MaxDropout, max_dropout


def reference(x: np.ndarray, drop: float) -> np.ndarray:
    normalised = (x - x.min()) / (x.max() - x.min())
    return np.where(normalised > 1 - drop, 0.0, x)


@pytest.mark.parametrize("drop", [0.1, 0.3, 0.9])
def test_is_the_definition_over_the_whole_batch(drop: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 6, dtype=torch.float64)
    np.testing.assert_array_equal(max_dropout(x, drop).numpy(), reference(x.numpy(), drop))
    assert torch.equal(MaxDropout(drop)(x), max_dropout(x, drop))


def test_a_positive_factor_changes_no_choice_and_no_maximum_grows() -> None:
    x = torch.rand(4, 3, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(max_dropout(4.0 * x, 0.3), 4.0 * max_dropout(x, 0.3))
    assert max_dropout(x, 0.3).max() < x.max()


def test_one_outlier_saves_the_others_and_equal_values_all_stay() -> None:
    x = torch.tensor([0.0, 1.0, 2.0, 100.0])
    assert max_dropout(x, 0.3).tolist() == [0.0, 1.0, 2.0, 0.0]
    assert torch.equal(max_dropout(torch.ones(3, 2), 0.3), torch.ones(3, 2))


def test_evaluation_returns_the_input_itself_unless_always() -> None:
    x = torch.rand(4, 2)
    module, always = MaxDropout(0.3).eval(), MaxDropout(0.3, always=True).eval()
    assert module(x) is x
    assert MaxDropout(0.0)(x) is x
    assert torch.equal(always(x), max_dropout(x, 0.3))
    costs = [formula_for(m)(m, (2, 3)) for m in (module, always)]
    assert costs == [Cost(), Cost(0, 24)]
    assert repr(always) == "MaxDropout(drop=0.3, always)"


def test_gradient_passes_where_the_value_does() -> None:
    x = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: max_dropout(x, 0.4), (x,))


def test_refuses_a_part_outside_0_to_1() -> None:
    with pytest.raises(UsageError, match=r"drop=1.0 is not in \[0, 1\)"):
        MaxDropout(1.0)
