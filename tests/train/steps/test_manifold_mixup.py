"""Manifold mixup against a computation layer by layer, with both losses."""

import numpy as np
import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn

from fleetfoot.core.seeds import rng
from fleetfoot.data.loader import Batch
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.manifold_mixup import manifold_mixup_step
from fleetfoot.train.steps.step import Context

NORMALISE = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
LABELS = torch.tensor([0, 1, 2, 2, 1])


class Staged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Tanh(), nn.Flatten()))
        self.classifier = nn.Linear(4 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(x))


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8, generator=generator)
    return Batch(pixels, LABELS, torch.arange(5))


def context(step: int, smoothing: float = 0.0) -> Context:
    return Context(tiny.recipe(label_smoothing=smoothing), step, 3, NORMALISE, "float32")


def by_hand(net: Staged, step: int, *, loss: str, smoothing: float = 0.0) -> tuple[float, int]:
    """The loss, and the place where it was mixed."""
    draws = rng(0, "manifold mixup", step)
    place, share, order = int(draws.integers(3)), draws.beta(2.0, 2.0), draws.permutation(5)
    x = NORMALISE(batch().images)
    for number, stage in enumerate((nn.Identity(), *net.stages)):
        x = stage(x)
        if number == place:
            x = share * x + (1 - share) * x[order]
    p = net.classifier(x).softmax(dim=1).detach().double().numpy()
    y = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    y = share * y + (1 - share) * y[order]
    if loss == "cross":
        return float(-(y * np.log(p)).sum(axis=1).mean()), place
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()), place


@pytest.mark.parametrize("loss", ["binary", "cross"])
def test_is_the_definition_at_every_place(loss: str) -> None:
    torch.manual_seed(0)
    net = Staged()
    places = set()
    step = manifold_mixup_step(alpha=2.0, layers=3, loss=loss)
    for number in range(8):
        expected, place = by_hand(net, number, loss=loss, smoothing=0.1)
        found, _ = step(net, batch(), context(number, 0.1))
        assert found.item() == pytest.approx(expected, rel=1e-5)
        places.add(place)
    assert places == {0, 1, 2}


def test_nothing_is_left_behind() -> None:
    net = Staged()
    for number in range(4):
        manifold_mixup_step(alpha=1.0, layers=3, loss="cross")(net, batch(), context(number))
    assert not any(module._forward_hooks for module in net.modules())


def test_stages_are_found_behind_a_wrapping() -> None:
    torch.manual_seed(0)
    net = Staged()
    step = manifold_mixup_step(alpha=2.0, layers=3, loss="cross")
    wrapped = nn.Module()
    wrapped.net, wrapped.forward = net, net.forward
    for number in range(8):
        expected, _ = step(net, batch(), context(number))
        assert step(wrapped, batch(), context(number))[0].item() == expected.item()


def test_one_layer_or_a_network_without_stages_mixes_images_alone() -> None:
    torch.manual_seed(0)
    net = Staged()
    plain = nn.Sequential(net.stages, net.classifier)
    words = {"alpha": 2.0, "loss": "cross"}
    for number in range(4):
        one, _ = manifold_mixup_step(layers=1, **words)(net, batch(), context(number))
        no_stages, _ = manifold_mixup_step(layers=3, **words)(plain, batch(), context(number))
        assert torch.isfinite(one)
        assert torch.isfinite(no_stages)
