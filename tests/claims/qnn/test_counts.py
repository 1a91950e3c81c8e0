"""Counts and bytes of QNN's networks, and the bound of the first layer."""

import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims
from fleetfoot.claims.qnn.counts import whole_speed_up

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("name", ["qnn/weights", "qnn/memory", "qnn/first-layer-bound"])
def test_it_holds_and_its_control_fails(name: str) -> None:
    claim = claims()[name]
    assert claim.rule(claim.measure(SMOKE).value) == "reproduced"
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"


def test_the_bound_by_hand() -> None:
    first = 784 * 4096 / 36_806_656
    found = whole_speed_up()(SMOKE)
    assert found.value == pytest.approx(1 / (first + (1 - first) / 23))
    assert found.table[0]["share_of_the_first_layer"] == pytest.approx(0.0872, abs=1e-4)
