"""Who is how much sooner, from training curves made up by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fleetfoot.claims.alexnet import relu_tanh
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import Effort
from fleetfoot.claims.training import Outcome

SETTING = Setting(scale="smoke")


def curve(*errors: float) -> Outcome:
    none = torch.empty(0)
    return Outcome(50.0, errors, errors, 1.0, nn.Identity(), none, none)


@pytest.fixture
def curves(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], Outcome]:
    found: dict[tuple[str, int], Outcome] = {}
    limits: dict[tuple[str, int], int] = {}

    def to_target(act: str, seed: int, epochs: int, setting: Setting) -> Outcome:
        limits[act, seed] = epochs
        return found[act, seed]

    monkeypatch.setattr(relu_tanh, "to_target", to_target)
    monkeypatch.setattr(relu_tanh, "best_rate", lambda act, setting: 0.001)
    short = replace(relu_tanh.NETS, efforts={"smoke": Effort(seeds=1, epochs=9)})
    monkeypatch.setattr(relu_tanh, "NETS", short)
    found["limits"] = limits  # pyright: ignore[reportArgumentType]
    return found


def test_ratio_of_epochs_to_the_target(curves: dict[tuple[str, int], Outcome]) -> None:
    curves["relu", 0] = curve(60.0, 25.0)
    curves["tanh", 0] = curve(80.0, 70.0, 60.0, 50.0, 40.0, 25.0)
    found = relu_tanh.sooner("tanh")(SETTING)
    assert found.value == 3.0
    assert "0 of 2" in found.note
    assert curves["limits"] == {("relu", 0): 9, ("tanh", 0): 16}  # pyright: ignore


def test_one_that_never_arrives_counts_as_its_limit(
    curves: dict[tuple[str, int], Outcome],
) -> None:
    curves["relu", 0] = curve(60.0, 25.0)
    curves["tanh", 0] = curve(*[80.0] * 16)
    assert relu_tanh.sooner("tanh")(SETTING).value == relu_tanh.PATIENCE


def test_rectifiers_that_never_arrive_are_not_sooner(
    curves: dict[tuple[str, int], Outcome],
) -> None:
    curves["relu", 0] = curve(*[60.0] * 9)
    curves["tanh", 0] = curve(*[80.0] * 72)
    assert relu_tanh.sooner("tanh")(SETTING).value == 1.0


def test_only_the_activation_differs() -> None:
    relu, tanh = (relu_tanh.network(act, "cpu") for act in ("relu", "tanh"))
    shapes = [[p.shape for p in net.parameters()] for net in (relu, tanh)]
    assert shapes[0] == shapes[1]
    kinds = [{type(module) for module in net.modules()} for net in (relu, tanh)]
    assert kinds[0] ^ kinds[1] == {nn.ReLU, nn.Tanh}
