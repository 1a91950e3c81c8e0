"""The share of clamped weights."""

import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("name", ["repbnn/recu-share"])
def test_it_holds_and_its_control_fails(name: str) -> None:
    claim = claims()[name]
    assert claim.rule(claim.measure(SMOKE).value) == "reproduced"
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"
