"""Rules at their borders, and what is no number."""

from typing import Any

import pytest

from fleetfoot.claims.rules import about, above, at_least, at_least_ratio, at_most, within

HELD, PARTLY, NOT = "reproduced", "partly", "not reproduced"


@pytest.mark.parametrize(
    ("rule", "values", "verdicts"),
    [
        (at_least(2.0, 1.0), (2.0, 1.99, 0.99), (HELD, PARTLY, NOT)),
        (at_least_ratio(2.0), (2.0, 1.5, 1.49), (HELD, PARTLY, NOT)),
        (at_most(1.0, 2.0), (1.0, 2.0, 2.01), (HELD, PARTLY, NOT)),
        (within(10.0, reproduced=0.1, partly=0.3), (9.0, 12.9, 13.1), (HELD, PARTLY, NOT)),
        (about(0.2, reproduced=0.5, partly=1.0), (0.7, -0.8, 1.3, -0.9), (HELD, PARTLY, NOT, NOT)),
        (above(0.0), (0.1, 0.0, -0.1), (HELD, NOT, NOT)),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_rules(rule: Any, values: tuple[float, ...], verdicts: tuple[str, ...]) -> None:
    assert tuple(map(rule, values)) == verdicts
    assert rule(float("nan")) == NOT
