"""Shake-Shake claims: a fixed share at evaluation, and shaken answers."""

import pytest
import torch

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.regularisers import shake_shake
from fleetfoot.claims.regularisers.shake_shake import at_share, network, shaken

SMOKE = Setting(scale="smoke")
IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return network("shake/shake", "smoke").eval()


@torch.no_grad()
def test_a_half_is_what_evaluation_does_and_one_is_the_first_branch() -> None:
    model = net()
    plain = model(IMAGES).softmax(dim=1)
    torch.testing.assert_close(at_share(model, 0.5, IMAGES), plain)
    assert not torch.allclose(at_share(model, 1.0, IMAGES), plain)
    torch.testing.assert_close(model(IMAGES).softmax(dim=1), plain)  # nothing is left behind


@torch.no_grad()
def test_shaken_answers_differ_by_draw_and_leave_evaluation_mode() -> None:
    model = net()
    before = model.state_dict()["stages.0.0.first.conv1.norm.running_mean"].clone()
    first, again, second = (shaken(model, IMAGES, draw) for draw in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not any(module.training for module in model.modules())
    assert torch.equal(model.state_dict()["stages.0.0.first.conv1.norm.running_mean"], before)


@pytest.mark.slow
def test_the_distance_has_no_sign() -> None:
    pytest.importorskip("sklearn")
    found = shake_shake.distance(0.5)(SMOKE)
    (row,) = found.table
    apart = row["fixed_error_percent"] - row["shaken_error_percent"]
    assert found.value == pytest.approx(abs(apart))
