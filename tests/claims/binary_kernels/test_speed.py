"""Both forms of what is timed compute the same; ratios come with their rows."""

import numpy as np
import pytest

pytest.importorskip("numba")

from fleetfoot.claims.binary_kernels.speed import (
    convolutions,
    faster_product,
    products,
    slowest_convolution,
)
from fleetfoot.claims.claim import Setting

SMOKE = Setting(scale="smoke")


def test_both_forms_give_the_same_numbers() -> None:
    calls = products(64)
    np.testing.assert_array_equal(calls["packed"](), calls["float32"]().numpy())
    calls = convolutions(16, 6)
    expected = calls["float32"]().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(calls["packed"](), expected)


def test_a_form_against_itself_takes_as_long() -> None:
    found = faster_product("float32")(SMOKE)
    assert 0.5 < found.value < 2
    assert [row["form"] for row in found.table] == ["0 float32", "1 float32"]


def test_the_slowest_of_several_shapes_counts() -> None:
    found = slowest_convolution("packed")(SMOKE)
    assert found.value == min(row["times_as_fast"] for row in found.table)
