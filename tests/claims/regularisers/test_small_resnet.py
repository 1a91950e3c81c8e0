"""Regularisers: ways by name, and controls that are the method without its idea."""

from pathlib import Path

import pytest
import torch
from torch import nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.regularisers import small_resnet as regularisers
from fleetfoot.claims.regularisers.small_resnet import (
    CLAIMS,
    WAYS,
    WORDS,
    labels_kept,
    middle_cut,
    network,
    recipe,
)
from fleetfoot.claims.training_images import preprocess_of
from fleetfoot.data.loader import Batch
from fleetfoot.recipes import method
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.step import Context


class Keeping(nn.Module):
    """A network that keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 64, 10)
        self.seen = torch.zeros(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return self.head(x.flatten(1))


def shown(step) -> tuple[torch.Tensor, torch.Tensor, float, nn.Module]:
    """What a step shows of a batch, the plain images, its loss and the network."""
    torch.manual_seed(0)
    net = Keeping()
    normalise = Normalise(
        preprocess_of("cifar10", size=8), layout="nchw", device=torch.device("cpu")
    )
    context = Context(recipe("none", "smoke"), 3, 10, normalise, "float32")
    pixels = torch.randint(0, 256, (6, 8, 8, 3), dtype=torch.uint8)
    loss, _ = step(net, Batch(pixels, torch.arange(6), torch.arange(6)), context)
    return net.seen, normalise(pixels), loss.item(), net


def test_mixed_images_keep_their_labels_in_the_control() -> None:
    seen, plain, loss, net = shown(labels_kept(mixup=1.0))
    assert not torch.equal(seen, plain)
    assert loss == pytest.approx(nn.functional.cross_entropy(net(seen), torch.arange(6)).item())


def test_the_middle_is_always_cut_in_the_control() -> None:
    seen, plain, _, _ = shown(middle_cut)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 2:6] = True
    assert (seen[:, :, inside] == 0).all()
    assert torch.equal(seen[:, :, ~inside], plain[:, :, ~inside])


@pytest.mark.parametrize("way", WORDS)
def test_every_way_has_a_place_in_the_network(way: str) -> None:
    words = recipe(way, "cpu")
    method.apply_surgery(network(way, "smoke"), words)
    method.step_of(words)


def test_a_square_is_half_as_wide_as_the_image() -> None:
    assert regularisers._side("cutout", "cpu") == "cutout:side=12"
    assert regularisers._side("cutout", "gpu") == "cutout:side=16"


def test_the_large_network_is_the_shape_of_resnet_18() -> None:
    net = network("none", "gpu")
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in net.modules()) == 18


def test_gains_are_judged_from_half_a_point_on_and_not_on_few_images() -> None:
    for claim in CLAIMS:
        assert claim.rule(claim.paper_value) == "reproduced"
        assert (claim.rule(0.5), claim.rule(0.4)) == ("partly", "not reproduced")
        assert claim.decides_at == ("gpu",)
        assert "as published" not in (claim.footing["cpu"], claim.footing["long"])


@pytest.mark.slow
def test_a_control_runs_on_the_digits(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found = WAYS.gain("none", "the middle cut out")(Setting(scale="smoke", data=tmp_path))
    assert {row["way"] for row in found.table} == {"none", "the middle cut out"}
