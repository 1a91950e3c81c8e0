"""Four ways to grow to the same work; trained on the digits."""

import pytest
import torch

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import macs_of
from fleetfoot.claims.efficientnet import compound_accuracy
from fleetfoot.claims.efficientnet.compound_accuracy import (
    CLAIMS,
    WAYS,
    comparison_of,
    gain_over_single,
    grown,
)
from tests.claims.test_comparison import of_error

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_all_grow_to_the_same_work(scale) -> None:
    with torch.device("meta"):
        nets = [grown(way, scale) for way in WAYS]
        macs = [macs_of(net.create(10), net.input[-1]) for net in nets]
    assert max(macs) < 1.08 * min(macs)


def test_each_grows_as_it_says_and_is_trained_at_its_size() -> None:
    found = {way: grown(way, "cpu") for way in WAYS}
    shapes = {way: (n.spec.blocks, n.spec.channels[0], n.input[-1]) for way, n in found.items()}
    assert shapes == {
        "depth": (8, 8, 16),
        "width": (2, 16, 16),
        "resolution": (2, 8, 32),
        "compound": (3, 10, 20),
        "unbalanced": (14, 8, 12),
    }
    for way, (*_, size) in shapes.items():
        assert grown(way, "gpu").input[-1] == size
        assert {effort.size for effort in comparison_of(way).efforts.values()} == {size}
        assert comparison_of(way).recipe_of(way, "cpu").augment.pad == size // 8


def test_the_gain_is_over_the_best_single(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {"depth": 30.0, "width": 25.0, "resolution": 28.0, "compound": 24.0}

    class MadeUp:
        def trainings(self, way: str, _: Setting):
            return (of_error(errors[way]),)

    monkeypatch.setattr(compound_accuracy, "comparison_of", lambda _: MadeUp())
    found = gain_over_single("compound")(SMOKE)
    assert found.value == pytest.approx(1.0)
    assert found.note == "the best single: width"
    assert len(found.table) == 4


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    assert len(claim.measure(SMOKE).table) == 4
    assert claim.control.measure(SMOKE).table[0]["way"] == "unbalanced"
