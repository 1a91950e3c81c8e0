"""Four ways to grow to the same work; trained on the digits."""

import pytest
import torch

pytest.importorskip("sklearn")

from fleetfoot.claims.arms import Arm, macs_of
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.efficientnet import compound_accuracy
from fleetfoot.claims.efficientnet.compound_accuracy import ARMS, CLAIMS, grown, lead_over_single

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_all_grow_to_the_same_work(scale) -> None:
    with torch.device("meta"):
        nets = [grown(name, Setting(scale=scale)) for name in ARMS]
        macs = [macs_of(net.create(10), net.input[-1]) for net in nets]
    assert max(macs) < 1.08 * min(macs)


def test_each_grows_as_it_says() -> None:
    found = {name: grown(name, Setting(scale="cpu")) for name in ARMS}
    shapes = {name: (n.spec.blocks, n.spec.channels[0], n.input[-1]) for name, n in found.items()}
    assert shapes == {
        "depth": (8, 8, 16),
        "width": (2, 16, 16),
        "resolution": (2, 8, 32),
        "compound": (3, 10, 20),
        "unbalanced": (14, 8, 12),
    }


def test_the_lead_is_over_the_best_single(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.claims.test_arms import made_up

    errors = {"depth": 30.0, "width": 25.0, "resolution": 28.0, "compound": 24.0}

    def arm(name: str, _: Setting) -> Arm:
        return made_up(name, errors[name])

    monkeypatch.setattr(compound_accuracy, "arm", arm)
    found = lead_over_single("compound")(SMOKE)
    assert found.value == pytest.approx(1.0)
    assert found.note == "the best single: width"
    assert len(found.table) == 4


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    measured, control = claim.measure(SMOKE), claim.control.measure(SMOKE)
    assert len(measured.table) == 4
    assert control.table != measured.table  # something else was trained
