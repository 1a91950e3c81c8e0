"""Memory access and kept maps against hand counts; the exact claims come out as they must."""

import pytest
from torch import nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims
from fleetfoot.claims.vovnet import memory as vovnet_memory
from fleetfoot.measure.counts import count

SMOKE = Setting(scale="smoke")


def access_of_densenet40() -> int:
    """Return the paper's sum, layer by layer."""
    total, channels = 32 * 32 * (3 + 16) + 9 * 3 * 16, 16
    for block, side in enumerate((32, 16, 8)):
        for _ in range(12):
            total += side * side * (channels + 12) + 9 * channels * 12
            channels += 12
        if block < 2:
            total += side * side * 2 * channels + channels * channels
    return total


def test_memory_access_of_densenet40_by_hand() -> None:
    measured = claims()["vovnet/memory-access-densenet40"].measure(SMOKE)
    assert measured.table[0]["memory_access"] == access_of_densenet40() == 3_679_504


def test_kept_maps_leave_out_what_is_written_in_place() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.ReLU()
    )
    assert vovnet_memory.kept_bytes(count(net, (3, 5, 5))) == 4 * 3 * (4 * 5 * 5)


@pytest.mark.parametrize(
    ("what", "verdict"),
    [("access-densenet40", "reproduced"), ("access-osa", "partly")],
)
def test_access_claims(what: str, verdict: str) -> None:
    claim = claims()[f"vovnet/memory-{what}"]
    assert claim.rule(claim.measure(SMOKE).value) == verdict
    control = claim.control.measure(SMOKE)
    assert claim.rule(control.value) == "not reproduced"
    if what == "access-osa":
        assert control.note.endswith(": 1.32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "verdict"),
    [("kept", "reproduced"), ("live", "not reproduced")],
)
def test_memory_claims(what: str, verdict: str) -> None:
    claim = claims()[f"vovnet/memory-{what}"]
    assert claim.rule(claim.measure(SMOKE).value) == verdict
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"
