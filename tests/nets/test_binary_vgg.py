"""VGG-Small with ReCU's convolutions: layers and counts by hand, sizes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from tests.contracts.subjects import randomise


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(name).double()).eval()
    state = net.state_dict()
    x = torch.randn(1, 3, 32, 32, dtype=torch.float64)

    def norm(maps: torch.Tensor, path: str) -> torch.Tensor:
        keys = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(maps, *(state[f"{path}.{key}"] for key in keys)).clamp(-1, 1)

    maps = norm(F.conv2d(x, state["stem.1.conv.weight"], padding=1), "stem.1.norm")
    for layer in range(5):
        latent = state[f"stages.{layer}.conv.weight"]
        signs = torch.where(latent - latent.mean(dim=(1, 2, 3), keepdim=True) >= 0, 1.0, -1.0)
        bits = torch.where(maps >= 0, 1.0, -1.0)
        maps = F.conv2d(bits.double(), signs.double(), padding=1)
        maps = maps * state[f"stages.{layer}.conv.factor"].view(1, -1, 1, 1)
        maps = F.max_pool2d(maps, 2) if layer in (0, 2, 4) else maps
        maps = norm(maps, f"stages.{layer}.norm")
    expected = maps.flatten(1) @ state["classifier.weight"].T + state["classifier.bias"]
    with torch.no_grad():
        np.testing.assert_allclose(net(x), expected, rtol=1e-9, atol=1e-9)


def test_is_its_naive_form() -> None:
    check_against_naive("recu_vgg_small")


def test_counts_by_hand() -> None:
    channels = (128, 256, 256, 512, 512)
    weights = sum(9 * a * b for a, b in zip((128, *channels), channels))
    assert weights == 4_571_136
    norms, factors = 2 * (128 + sum(channels)), sum(channels)
    assert entry("recu_vgg_small").params == weights + 27 * 128 + norms + factors + 81_930
    assert entry("recu_vgg_small").macs == 603_979_776 + 3_538_944 + 81_920


def test_other_sizes() -> None:
    assert create("recu_vgg_small", size=16)(torch.randn(2, 3, 16, 16)).shape == (2, 10)
    with pytest.raises(UsageError, match="size=12 is no multiple of 8"):
        create("recu_vgg_small", size=12)
