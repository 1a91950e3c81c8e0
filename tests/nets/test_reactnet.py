"""ReActNet-A and its repeated form: one block written out, counts by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fleetfoot.core.errors import ShapeError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.reactnet import ReActBlock
from tests.contracts.subjects import randomise


def naive(x: Tensor, state: dict[str, Tensor], *, stride: int, beta: int) -> Tensor:
    """One block; the number of 1x1 convolutions is read from the names of its weights."""

    def of_channels(name: str) -> Tensor:
        return state[name].view(1, -1, 1, 1)

    def binary(x: Tensor, path: str, stride: int) -> Tensor:
        latent = state[f"{path}.conv.weight"]
        size = latent.abs().mean(dim=(1, 2, 3), keepdim=True)
        weight = torch.where(latent >= 0, size, -size)
        x = F.conv2d(x, weight, stride=stride, padding=latent.shape[-1] // 2)
        x = torch.cat([x] * beta**2, 1)
        keys = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{path}.norm.{key}"] for key in keys))

    def rsign(x: Tensor, path: str) -> Tensor:
        return torch.where(x + of_channels(f"{path}.bias") >= 0, 1.0, -1.0).to(x.dtype)

    def rprelu(x: Tensor, path: str) -> Tensor:
        x = x + of_channels(f"{path}.shift_in")
        x = torch.where(x >= 0, x, x * of_channels(f"{path}.weight"))
        return x + of_channels(f"{path}.shift_out")

    shortcut = F.avg_pool2d(x, 2) if stride == 2 else x
    x = rprelu(binary(rsign(x, "sign1"), "conv1", stride) + shortcut, "act1")
    count = sum(key.startswith("branches") and key.endswith("conv.weight") for key in state)
    maps = [binary(rsign(x, "sign2"), f"branches.{i}", 1) + x for i in range(count)]
    return rprelu(torch.cat(maps, 1), "act2")


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(name).double()).eval()
    x = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    state, beta = net.state_dict(), 2 if "rep" in name else 1
    maps = torch.cat([F.conv2d(x, next(net.stem.parameters()), stride=2, padding=1)] * beta, 1)
    norm = net.stem.norm if beta == 1 else net.stem[0].norm
    maps = torch.cat([norm(maps[:, : maps.shape[1] // beta])] * beta, 1)
    for place in range(13):
        path = f"stages.{place}."
        own = {key.removeprefix(path): v for key, v in state.items() if key.startswith(path)}
        stride = 2 if place in (1, 3, 5, 11) else 1
        maps = naive(maps, own, stride=stride, beta=beta)
    features = maps.mean(dim=(2, 3))
    expected = features @ state["classifier.weight"].T + state["classifier.bias"]
    with torch.no_grad():
        np.testing.assert_allclose(net(x), expected, rtol=1e-8, atol=1e-8)


def test_the_whole_network_is_its_naive_form() -> None:
    check_against_naive("reactnet_a")


@pytest.mark.parametrize(("wide", "stride", "beta"), [(8, 1, 1), (16, 2, 1), (16, 2, 2), (8, 1, 4)])
def test_a_block_is_its_naive_form(wide: int, stride: int, beta: int) -> None:
    torch.manual_seed(0)
    block = randomise(ReActBlock(8, wide, stride=stride, repeats=beta).double()).eval()
    x = torch.randn(2, 8 * beta, 6, 6, dtype=torch.float64)
    expected = naive(x, block.state_dict(), stride=stride, beta=beta)
    with torch.no_grad():
        np.testing.assert_allclose(block(x), expected, rtol=1e-9, atol=1e-9)
    assert expected.shape == (2, wide * beta, 6 // stride, 6 // stride)


def test_counts_by_hand() -> None:
    """The sheet's binary weights and products, and what each norm, sign and activation adds."""
    rows = create("reactnet_a", num_classes=0).stages
    binary = sum(p.numel() for name, p in rows.named_parameters() if name.endswith("conv.weight"))
    assert binary == 28_253_184
    real = 3 * 32 * 9 * 112**2 + 1024 * 1000
    assert entry("reactnet_a").macs == 4_816_896_000 + real
    assert real == 11_862_016
    assert entry("rep_reactnet_a").macs - entry("reactnet_a").macs == 1024 * 1000
    assert (entry("reactnet_a").params, entry("rep_reactnet_a").params) == (29_343_592, 30_432_072)


def test_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="repeats=5 does not divide 32 channels"):
        create("reactnet_a", repeats=5)
    with pytest.raises(ShapeError, match="12 channels are neither 8 nor twice as many"):
        ReActBlock(8, 12, stride=1, repeats=1)
