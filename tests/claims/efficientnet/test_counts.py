"""The table's networks are the library's, and the rule for phi is a line of least squares."""

import numpy as np
import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.efficientnet import counts as efficientnet
from fleetfoot.claims.ledger import claims
from fleetfoot.nets import catalog
from fleetfoot.nets.compound_scaling import scaled

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("number", range(8))
def test_published_factors_give_the_registered_networks(number: int) -> None:
    registered = catalog.entry(f"efficientnet_b{number}")
    made = scaled("efficientnet_b0", **efficientnet.published(number))
    assert made.input == registered.input
    assert made.spec.stages == registered.spec.stages
    deviation = abs(registered.macs / efficientnet.PAPER_MACS[number] - 1)
    assert deviation < 0.05


def test_the_slope_is_that_of_numpy() -> None:
    x, y = [0, 1, 2, 5], [0.3, 1.4, 1.9, 4.0]
    assert efficientnet.slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0])


@pytest.mark.parametrize(
    "what",
    [
        "macs",
        pytest.param("params", marks=pytest.mark.slow),
        pytest.param("compound-doubling", marks=pytest.mark.slow),
    ],
)
def test_controls_fail(what: str) -> None:
    claim = claims()[f"efficientnet/{what}"]
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"


def test_deviations_of_the_first_three() -> None:
    measured = claims()["efficientnet/macs"].measure(SMOKE)
    assert [row["macs"] for row in measured.table] == [385_814_752, 686_802_832, 993_561_872]
    assert measured.value == pytest.approx(100 * (1 - 686_802_832 / 0.70e9))


@pytest.mark.slow
def test_all_eight() -> None:
    known = claims()
    for what, verdict in (("params", "reproduced"), ("macs", "partly")):
        claim = known[f"efficientnet/{what}"]
        assert claim.rule(claim.measure(Setting(scale="cpu")).value) == verdict
