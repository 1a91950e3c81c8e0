"""The errors of the series, and its slope as a sum."""

import pytest
import torch

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fda_bnn.series import direct_slope
from fleetfoot.claims.ledger import claims
from fleetfoot.ops.sine_series import sine_slope

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("name", ["fdabnn/series-error"])
def test_it_holds_and_its_control_fails(name: str) -> None:
    claim = claims()[name]
    assert claim.rule(claim.measure(SMOKE).value) == "reproduced"
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"


def test_both_slopes_are_the_same_numbers() -> None:
    t = torch.linspace(-3, 3, 101, dtype=torch.float64)
    torch.testing.assert_close(direct_slope(t, 12), sine_slope(t, 12), rtol=1e-6, atol=1e-6)
