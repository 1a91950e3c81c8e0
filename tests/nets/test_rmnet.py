"""RMRep against the plain stack of 3x3 convolutions it merges into, and the sheet's counts."""

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.rmnet import VARIANTS, RepBlock, RMRep, RMRepSpec
from tests.contracts.subjects import randomise

SHEET = {  # pairs: parameters and GMACs when merged
    2: (14_638_504, 2.161),
    4: (27_176_104, 4.011),
    8: (52_251_304, 7.710),
    16: (102_401_704, 15.109),
}


def merged(state: dict[str, Tensor], path: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one 3x3 convolution that a block is in evaluation mode."""

    def scale(name: str) -> tuple[Tensor, Tensor]:
        gain = state[f"{name}.weight"] / (state[f"{name}.running_var"] + 1e-5).sqrt()
        return gain[:, None, None, None], state[f"{name}.bias"] - gain * state[
            f"{name}.running_mean"
        ]

    gain, bias = scale(f"{path}.wide.norm")
    weight = gain * state[f"{path}.wide.conv.weight"]
    gain, more = scale(f"{path}.point.norm")
    weight[:, :, 1:2, 1:2] += gain * state[f"{path}.point.conv.weight"]
    bias = bias + more
    computed, width = weight.shape[:2]
    if f"{path}.skip.weight" not in state:
        return weight, bias
    identity = torch.zeros(width, width, 3, 3, dtype=weight.dtype)
    for channel in range(width):
        identity[channel, channel, 1, 1] = 1.0
    kept = width - computed
    gain, more = scale(f"{path}.skip")
    weight = torch.cat((identity[:kept], weight + gain * identity[kept:]))
    return weight, torch.cat((torch.zeros(kept, dtype=weight.dtype), bias + more))


def naive_plain(x: Tensor, state: dict[str, Tensor], *, pairs: int) -> Tensor:
    """Nothing but 3x3 convolutions and ReLU, five and eight a pair of them, then the mean."""
    layers = [(f"stem.{i}", 2) for i in range(2)]
    for stage in range(4):
        blocks = 2 * pairs + (stage > 0)
        layers += [(f"stages.{stage}.{i}", 2 if stage and i == 0 else 1) for i in range(blocks)]
    assert len(layers) == 5 + 8 * pairs
    for path, stride in layers:
        weight, bias = merged(state, path)
        x = F.relu(F.conv2d(x, weight, bias, stride=stride, padding=1))
    return F.linear(x.mean(dim=(2, 3)), state["classifier.weight"], state["classifier.bias"])


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    spec = replace(entry(name).spec, channels=(8, 16, 24, 32))
    net = randomise(RMRep(spec, 7)).double()
    x = torch.randn(2, 3, 70, 65, dtype=torch.float64)
    with torch.no_grad():
        expected = naive_plain(x, net.state_dict(), pairs=spec.pairs)
        got = net(x)
    assert expected.std() > 0.01
    assert (got - expected).abs().max() <= 1e-9 * expected.abs().max()


@pytest.mark.parametrize("name", ["repvgg_21", "rmrep_69"])
def test_is_a_plain_network(name: str) -> None:
    check_against_naive(name)


class Row(NamedTuple):
    """One block: channels in and out, those it computes, side of its map, with identity or not."""

    before: int
    after: int
    computed: int
    side: int
    identity: bool


def blocks_of(name: str) -> list[Row]:
    row = VARIANTS[name].spec
    blocks = [Row(3, 64, 64, 112, False), Row(64, 64, 64, 56, False)]
    for stage, width in enumerate((64, 128, 256, 512)):
        side = 56 // 2**stage
        if stage:
            blocks.append(Row(width // 2, width, width, side, False))
        computed = width - round(width * row.ratio)
        pair = [Row(width, width, computed, side, True), Row(width, width, width, side, True)]
        blocks += row.pairs * pair
    return blocks


@pytest.mark.parametrize("name", VARIANTS)
def test_counts_of_the_sheet_when_merged(name: str) -> None:
    params, macs = 512 * 1000 + 1000, 512 * 1000
    for block in blocks_of(name):
        weights = 9 * block.before * block.after
        params += weights + block.after
        macs += weights * block.side**2
    assert (params, round(macs / 1e9, 3)) == SHEET[VARIANTS[name].spec.pairs]


@pytest.mark.parametrize(
    ("name", "gmacs"),
    [
        ("repvgg_21", 2.401),
        ("repvgg_37", 4.456),
        ("repvgg_69", 8.567),
        ("repvgg_133", 16.787),
        ("rmrep_21", 2.144),
        ("rmrep_37", 3.942),
        ("rmrep_69", 6.511),
        ("rmrep_133", 10.622),
    ],
)
def test_counts_of_the_sheet_as_trained(name: str, gmacs: float) -> None:
    assert round(entry(name).macs / 1e9, 3) == gmacs


@pytest.mark.parametrize("name", VARIANTS)
def test_counts_by_hand(name: str) -> None:
    params, macs = 512 * 1000 + 1000, 512 * 1000
    for block in blocks_of(name):
        weights = 10 * block.before * block.computed
        params += weights + (6 if block.identity else 4) * block.computed
        macs += weights * block.side**2
    assert (VARIANTS[name].params, VARIANTS[name].macs) == (params, macs)


def test_kept_channels_pass_unchanged() -> None:
    block = randomise(RepBlock(8, 8, kept=3))
    x = torch.rand(2, 8, 5, 5)
    y = block(x)
    assert torch.equal(y[:, :3], x[:, :3])
    assert y.shape == x.shape


def test_stem_for_small_images() -> None:
    net = RMRep(RMRepSpec(pairs=1, ratio=0.5, channels=(8, 16)), 10, small_images=True).eval()
    assert [item.reduction for item in net.feature_info] == [1, 2]
    maps = net.forward_features(torch.randn(1, 3, 9, 8))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 9, 8), (16, 5, 4)]


def test_first_weights() -> None:
    torch.manual_seed(0)
    net = RMRep(RMRepSpec(pairs=1, ratio=0.25, channels=(64, 128)), 10)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            std = (2 / module.weight[:, 0].numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(std, rel=0.1)


def test_refuses_to_keep_everything() -> None:
    with pytest.raises(UsageError, match=r"^ratio=1\.0 is not in"):
        RMRep(RMRepSpec(pairs=1, ratio=1.0), 10)
