"""Networks and settings of the GradInit claims, and the rules."""

import math

import pytest
import torch
from torch import nn

from fleetfoot.claims.gradinit.first_epoch import CLAIMS, LEARNING, Learning, plain, residual


def test_a_network_without_norms_has_biases_instead() -> None:
    net, normed = residual("bare", "smoke"), residual("normed", "smoke")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert all(conv.bias is not None and not conv.bias.any() for conv in convolutions)
    assert any(isinstance(module, nn.BatchNorm2d) for module in normed.modules())
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_plain_network_is_broken_by_its_factor(factor: float) -> None:
    torch.manual_seed(0)
    net = plain(str(factor), "cpu")
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    assert len(layers) == 21
    spread = factor * math.sqrt(2 / 64)
    assert layers[5].weight.std().item() == pytest.approx(spread, rel=0.05)
    size = net(torch.randn(64, 1, 28, 28)).std().item()
    assert 0.1 < size / factor**21 < 10  # what a layer takes, twenty-one layers take


def test_the_control_reads_as_many_images() -> None:
    assert Learning(80, 64, 0.05).epochs(5000) == 2  # 7,680 images
    assert Learning(390, 128, 0.05).epochs(50_000) == 2
    assert LEARNING["cpu"]["bare"].word == "gradinit:iterations=80,batch=64,lr=0.05"


def test_rules_are_those_of_the_protocol() -> None:
    claims = {claim.id: claim for claim in CLAIMS}
    assert claims["gradinit/without-norms"].rule(10.0) == "partly"
    assert claims["gradinit/with-norms"].rule(4.9) == "not reproduced"
    assert claims["gradinit/broken-start"].rule(95.0) == "reproduced"
    assert claims["gradinit/broken-start"].footing["cpu"] == "stand-in"
