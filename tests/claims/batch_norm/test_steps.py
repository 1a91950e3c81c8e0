"""Steps to the plain network's error, from curves made up by hand; the network and its norms."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.batch_norm import steps as batch_norm
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import Comparison
from fleetfoot.claims.training import Outcome


def curve(*errors: float) -> Outcome:
    none = torch.empty(0)
    return Outcome(50.0, (50.0,), errors, 1.0, nn.Identity(), none, none)


@pytest.mark.parametrize(
    ("errors", "ratio"), [((30.0, 9.0, 1.0), 3.0), ((50.0,) * 6, 0.0), ((40.0, 8.0), 3.0)]
)
def test_ratio_of_steps(
    monkeypatch: pytest.MonkeyPatch, errors: tuple[float, ...], ratio: float
) -> None:
    rates: dict[str, float] = {}

    def train(self: Comparison, way: str, setting: Setting, *, seed: int, lr: float) -> Outcome:
        rates[way] = lr
        return curve(90.0, 70.0, 50.0, 40.0, 30.0, 10.0) if way == "plain" else curve(*errors)

    monkeypatch.setattr(Comparison, "train", train)
    monkeypatch.setattr(batch_norm, "best_rate", lambda setting: 0.01)
    found = batch_norm.fewer_steps("norm", 5.0)(Setting(scale="smoke"))
    assert found.value == ratio
    assert rates == {"plain": 0.01, "norm": 0.05}


def test_norms_take_the_place_of_biases() -> None:
    plain, norm, idle = (batch_norm.network(way, "cpu") for way in ("plain", "norm", "idle"))
    convolutions = [m for m in plain.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 8
    channels = sum(conv.out_channels for conv in convolutions)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (plain, norm, idle)]
    assert sizes == [sizes[0], sizes[0] + channels, sizes[0] + channels]
    assert norm(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
