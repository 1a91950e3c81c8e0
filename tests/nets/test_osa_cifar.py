"""OSA on CIFAR: a second implementation of both wirings, counts by hand, memory access."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from tests.nets.naive_state import Reader, assert_equal, double, noise

CHAINS = {"osa_cifar_12x20": (12, 20), "osa_cifar_5x43": (5, 43)}


def naive_osa_cifar(read: Reader, x: Tensor, layers: int, wide: int, *, merged: bool) -> Tensor:
    x = read.conv(x, 16, 3)
    for stage, out in enumerate((160, 304, 448)):
        if stage:
            x = F.avg_pool2d(read.conv(read.norm_relu(x), x.shape[1], 1), 2)
        chain = [x]
        for _ in range(layers):
            chain.append(read.unit(chain[-1], wide, 3))
        x = torch.cat(chain, dim=1)
        if merged:
            x = read.unit(x, out, 1)
    return read.linear(read.norm_relu(x), 10)


def check_against_naive(name: str) -> None:
    for wiring in ("merged", "full"):
        torch.manual_seed(0)
        net = double(create(name, wiring=wiring))
        x = noise(2, 3, 13, 18)
        expected = naive_osa_cifar(Reader(net), x, *CHAINS[name], merged=wiring == "merged")
        assert_equal(net(x), expected)


@pytest.mark.parametrize("name", CHAINS)
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


@pytest.mark.parametrize("name", CHAINS)
def test_counts_by_hand(name: str) -> None:
    layers, wide = CHAINS[name]
    params, macs, channels = 9 * 3 * 16, 9 * 3 * 16 * 32**2, 16
    for stage, (side, out) in enumerate(zip((32, 16, 8), (160, 304, 448))):
        if stage:
            params, macs = params + channels**2 + 2 * channels, macs + channels**2 * (2 * side) ** 2
        weights = 9 * (channels * wide + (layers - 1) * wide**2)
        weights += (channels + layers * wide) * out
        params += weights + 2 * layers * wide + 2 * out
        macs, channels = macs + weights * side**2, out
    params += 2 * 448 + 448 * 10 + 10
    assert (entry(name).params, entry(name).macs) == (params, macs + 448 * 10)


@pytest.mark.parametrize(
    ("name", "wiring", "access"),
    [
        ("osa_cifar_12x20", "merged", 2_597_440),
        ("osa_cifar_12x20", "full", 2_098_624),
        ("osa_cifar_5x43", "merged", 2_623_180),  # the sheet's 2.62 M
        ("osa_cifar_5x43", "full", 2_065_680),  # the sheet's 2.07 M
    ],
)
def test_memory_access(name: str, wiring: str, access: int) -> None:
    """The sum of h w (c_in + c_out) + k^2 c_in c_out; the paper has 2.5 M, DenseNet-40 3.68 M."""
    with torch.device("meta"):
        net = create(name, wiring=wiring)
    found = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda m, _, out: found.append(
                    out[0, 0].numel() * (m.in_channels + m.out_channels) + m.weight.numel()
                )
            )
    net(torch.empty(1, 3, 32, 32, device="meta"))
    assert sum(found) == access


def test_the_widths_after_a_block() -> None:
    with torch.device("meta"):
        merged, full = (create("osa_cifar_5x43", wiring=w) for w in ("merged", "full"))
    assert [item.channels for item in merged.feature_info] == [160, 304, 448]
    assert [item.channels for item in full.feature_info] == [231, 446, 661]


def test_norms_in_front_stay() -> None:
    torch.manual_seed(0)
    net, x = double(create("osa_cifar_5x43")), noise(1, 3, 8, 9)
    result = fold_batch_norm(net)
    sites = ["stages.1.transition.norm", "stages.2.transition.norm", "head.norm"]
    assert [skip.site for skip in result.skipped] == sites
    assert len(result.changed) == 3 * (5 + 1)
    assert_equal(result.model(x), net(x))


def test_refuses_another_wiring() -> None:
    with pytest.raises(UsageError, match="wiring='dense' is not offered: take 'merged' or 'full'"):
        create("osa_cifar_5x43", wiring="dense")
