"""The network that is trained here, and what is kept of it; at smoke scale, on the digits."""

import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fasternet import trained_resnet as trained_resnet_file
from fleetfoot.claims.fasternet.trained_resnet import (
    convolutions,
    first_of_each_stage,
    trained_resnet,
)

SMOKE = Setting(scale="smoke")


def untrained(*channels: int) -> nn.Module:
    return trained_resnet_file._untrained(channels, 3).eval()


def test_the_stand_in_is_as_its_sentence_says() -> None:
    training = trained_resnet_file.TRAININGS["cpu"]
    assert training.channels == (64, 128, 256)
    assert training.recipe["epochs"] == 4
    layers = convolutions(untrained(*training.channels))
    assert {stage: len(found) for stage, found in layers.items()} == {"1": 2, "2": 2, "3": 2}
    assert [layer.stride for layer in layers["2"]] == [(2, 2), (1, 1)]
    stem = untrained(8).stem
    assert sum(p.ndim == 4 for p in stem.parameters()) == 1
    assert stem(torch.zeros(1, 3, 32, 32)).shape == (1, 8, 16, 16)


def test_what_is_seen_is_what_the_convolution_does() -> None:
    net = untrained(8, 16)
    seen = first_of_each_stage(net, torch.randn(3, 3, 8, 8))
    assert seen["1"].inputs.shape == (3, 8, 4, 4)  # behind the pooled stem
    assert seen["2"].inputs.shape == (3, 16, 2, 2)
    layer = convolutions(net)["2"][1]
    torch.testing.assert_close(layer(seen["2"].inputs), seen["2"].outputs)
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.slow
def test_training_happens_once_and_changes_the_weights() -> None:
    trained = trained_resnet(SMOKE)
    assert trained_resnet(Setting(scale="smoke")) is trained
    assert not trained.net.training
    assert trained.pictures.shape == (40, 1, 8, 8)
    before, after = (convolutions(net)["1"][0].weight for net in (trained.initial, trained.net))
    assert not torch.equal(before, after)
    assert "% of the validation images right" in trained.note
