"""The largest deviation of several counts, and its rows."""

import pytest

from fleetfoot.claims.deviation import worst_deviation


def test_the_largest_deviation_is_the_value_in_per_cent() -> None:
    found = worst_deviation({"a": 200.0, "b": 50.0}, {"a": 190.0, "b": 51.0})
    assert found.value == pytest.approx(5.0)
    assert [row["deviation_percent"] for row in found.table] == pytest.approx([5.0, 2.0])
    assert found.table[0]["network"] == "a"
