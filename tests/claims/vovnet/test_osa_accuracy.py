"""Networks that are compared, and how strongly a layer reads others; trained on the digits."""

from itertools import pairwise

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import macs_of
from fleetfoot.claims.vovnet import osa_accuracy
from fleetfoot.claims.vovnet.osa_accuracy import BLOCKS, CLAIMS, NETS, OthersMaps, read_strengths
from fleetfoot.nets.osa_cifar import MERGED_CHANNELS

SMOKE = Setting(scale="smoke")


def test_the_gpu_scale_has_the_networks_of_the_paper() -> None:
    with torch.device("meta"):
        nets = {name: make(BLOCKS["gpu"]) for name, make in NETS.items()}
    sizes = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()}
    assert sizes["DenseNet"] == 1_019_722
    assert sizes[osa_accuracy.WIDE] == sizes[f"broken {osa_accuracy.WIDE}"] == 896_800
    assert sizes[osa_accuracy.DEEP] == 739_498
    assert MERGED_CHANNELS == (16 + 144, 16 + 288, 16 + 432)


def test_at_the_cpu_scale_all_do_the_same_work() -> None:
    with torch.device("meta"):
        macs = [macs_of(make(BLOCKS["cpu"]), 16) for make in NETS.values()]
    assert max(macs) < 1.05 * min(macs)


def test_maps_of_others() -> None:
    x = torch.arange(24.0).view(3, 4, 2, 1)
    expected = np.concatenate([x[:, :1], np.roll(x[:, 1:].numpy(), 1, axis=0)], axis=1)
    np.testing.assert_array_equal(OthersMaps(1)(x), expected)


def test_a_broken_block_hands_on_its_input_alone() -> None:
    net = NETS[f"broken {osa_accuracy.WIDE}"](BLOCKS["smoke"]).eval()
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        together, alone = net(images), net(images[:1])
    assert not torch.allclose(together[:1], alone, atol=1e-4)


@pytest.mark.parametrize("name", ["DenseNet", osa_accuracy.WIDE])
def test_strengths_are_means_over_the_maps_of_a_source(name: str) -> None:
    net = NETS[name](BLOCKS["smoke"])
    if name == "DenseNet":  # 16 of the stem, 12 of each of two layers
        weight, ends = net.stages[1].transition.conv.weight, [0, 16, 28, 40]
    else:  # 16 of the stem, 31 of one layer
        weight, ends = net.stages[0].block.merge.conv.weight, [0, 16, 47]
    sizes = np.abs(weight.detach().numpy()[:, :, 0, 0])
    means = np.array([sizes[:, a:b].mean() for a, b in pairwise(ends)])
    found = read_strengths(net)
    np.testing.assert_allclose(found[0], means / means.max(), rtol=1e-5)
    assert len(found) == 3
    assert all(float(strengths.max()) == 1.0 for strengths in found)


def test_the_classifier_reads_the_last_dense_block() -> None:
    net = NETS["DenseNet"](BLOCKS["smoke"])
    sizes = np.abs(net.classifier.weight.detach().numpy())
    means = [sizes[:, a:b].mean() for a, b in zip([0, 64, 76], [64, 76, 88])]
    np.testing.assert_allclose(read_strengths(net)[2], means / np.max(means), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    table = claim.measure(SMOKE).table
    assert table
    assert claim.control.measure(SMOKE).table != table


def test_a_loss_is_reproduced_neither_by_a_gain_nor_by_a_larger_loss() -> None:
    known = {claim.id: claim for claim in CLAIMS}
    deep, wide = (known[f"vovnet/osa-accuracy-{form}"].rule for form in ("deep", "wide"))
    assert [deep(value) for value in (1.2, 3.0, 3.1, -3.0)] == [
        *("reproduced", "partly", "not reproduced", "not reproduced")
    ]
    assert [wide(value) for value in (0.2, -0.7, -3.0, 1.3)] == [
        *("reproduced", "partly", "not reproduced", "not reproduced")
    ]
