"""Drawn signs, thresholds and gradients in few bits."""

import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize(
    "name", ["qnn/drawn-signs", "qnn/norm-is-a-threshold", "qnn/six-bit-gradients"]
)
def test_it_holds_and_its_control_fails(name: str) -> None:
    claim = claims()[name]
    assert claim.rule(claim.measure(SMOKE).value) == "reproduced"
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"
