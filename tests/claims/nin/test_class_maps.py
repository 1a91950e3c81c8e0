"""Forms of Network In Network: published counts at full width, a dense head counted by hand."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.alexnet.dropout import FixedMask
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import Comparison
from fleetfoot.claims.nin import class_maps as nin
from fleetfoot.claims.training import Outcome


def size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_heads_have_the_paper_s_sizes() -> None:
    published = 966_986
    last = 192 * 10 + 10
    assert size(nin.network("mean", "gpu")) == published
    assert size(nin.network("dense", "gpu")) == published - last + 192 * 8 * 8 * 10 + 10
    assert size(nin.network("mask", "gpu")) == published


@pytest.mark.parametrize("way", ["mean", "dense", "dense_dropout", "undropped", "mask"])
def test_every_form_classifies(way: str) -> None:
    assert nin.network(way, "smoke")(torch.zeros(2, 3, 24, 24)).shape == (2, 10)
    assert nin.network(way, "long")(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_forms_drop_what_they_say() -> None:
    rates = {
        way: [m.p for m in nin.network(way, "smoke").modules() if isinstance(m, nn.Dropout)]
        for way in ("mean", "undropped", "mask", "dense", "dense_dropout")
    }
    assert rates == {
        "mean": [0.5, 0.5],
        "undropped": [0.0, 0.0],
        "mask": [],
        "dense": [0.5, 0.5, 0.0],
        "dense_dropout": [0.5, 0.5, 0.5],
    }
    masks = [m for m in nin.network("mask", "smoke").modules() if isinstance(m, FixedMask)]
    assert [mask.get_buffer("mask").shape for mask in masks] == [(12, 1, 1), (24, 1, 1)]


def test_share_of_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    none = torch.empty(0)
    errors = {"undropped": 40.0, "mean": 30.0}

    def train(self: Comparison, way: str, setting: Setting, *, seed: int) -> Outcome:
        return Outcome(errors[way], (1.0,), (1.0,), 1.0, nn.Identity(), none, none)

    monkeypatch.setattr(Comparison, "train", train)
    found = {claim.id: claim for claim in nin.CLAIMS}["nin/dropout"].measure(Setting(scale="cpu"))
    assert (found.value, found.low, found.high) == (25.0, 25.0, 25.0)
    assert len(found.table) == 6
