"""How binary networks are trained: settings, and what a network must have."""

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.recipes.method import method_of
from fleetfoot.train.method_word import MethodWord


@pytest.mark.parametrize("bits", [1, 8, -2])
def test_error_signals_of_bits_that_float32_has_not_are_refused(bits: int) -> None:
    word = MethodWord.parse(f"binarised_backprop:gradient_bits={bits}")
    with pytest.raises(UsageError, match=f"gradient_bits={bits} is not 0, or 2 to 7"):
        method_of(word)


def test_neurons_are_drawn_or_not() -> None:
    with pytest.raises(UsageError, match="neurons=none is not one of stochastic, deterministic"):
        method_of(MethodWord.parse("binarised_backprop:neurons=none"))
    found = method_of(MethodWord.parse("binarised_backprop:neurons=deterministic,gradient_bits=6"))
    assert found.step is not None
    assert found.loss is None
