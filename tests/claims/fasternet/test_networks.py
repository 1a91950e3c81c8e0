"""Table 3 and Table 5: what is exchanged in the networks; times are only there."""

import pytest
import torch
from torch import nn

from fleetfoot.claims import timing
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fasternet import ablations as fasternet_ablations
from fleetfoot.claims.fasternet import networks as fasternet_networks
from fleetfoot.claims.timing import native
from fleetfoot.measure.counts import count
from fleetfoot.nets.create import skeleton
from fleetfoot.ops.partial_conv import PartialConv2d

SMOKE = Setting(scale="smoke")


def test_every_pair_has_a_form_for_the_cpu_and_one_for_the_gpu() -> None:
    claims = {claim.id: claim for claim in fasternet_networks.CLAIMS}
    assert len(claims) == 2 * len(fasternet_networks.PAIRS)
    assert claims["fasternet/t0-mobilevit-xxs"].paper_value == 3.3
    assert claims["fasternet/t0-mobilevit-xxs-gpu"].paper_value == 2.8
    assert claims["fasternet/l-swin-b"].scales == ("smoke", "cpu")
    assert claims["fasternet/l-swin-b-gpu"].scales == ("gpu",)
    assert claims["fasternet/l-swin-b-gpu"].footing == {"gpu": "as published"}


def test_the_control_convolves_all_channels() -> None:
    """Each of the blocks' 3x3 convolutions takes 16 times the work of its partial one."""
    net = skeleton("fasternet_t0")
    before = count(net, (3, 224, 224)).macs
    partial = sum(
        blocks * (c * 2**s // 4) ** 2 * 9 * (56 // 2**s) ** 2
        for c, (s, blocks) in zip((40,) * 4, enumerate((1, 2, 8, 2)), strict=True)
    )
    with torch.device("meta"):
        full = fasternet_networks.with_full_convolutions(net)
    assert not any(isinstance(module, PartialConv2d) for module in full.modules())
    assert count(full, (3, 224, 224)).macs == before + 15 * partial


def test_folding_keeps_the_outputs_of_ours() -> None:
    net = timing.recalibrated(native("fasternet_t0"), (3, 64, 64))
    folded = fasternet_networks.with_folded_norms(net, (3, 64, 64), is_foreign=False)
    assert_the_same_without_norms(net, folded)


def test_folding_keeps_the_outputs_of_timms() -> None:
    pytest.importorskip("timm")
    net = timing.recalibrated(timing.foreign("mobilevit_xxs"), (3, 64, 64))
    folded = fasternet_networks.with_folded_norms(net, (3, 64, 64), is_foreign=True)
    assert_the_same_without_norms(net, folded)


def assert_the_same_without_norms(net: nn.Module, folded: nn.Module) -> None:
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net(x)
        assert expected.std() > 0.01
        torch.testing.assert_close(folded(x), expected, rtol=1e-4, atol=1e-4)


def test_what_the_ablations_exchange() -> None:
    image = (3, 64, 64)
    relu, layer = (fasternet_ablations.t0(form, image) for form in ("relu", "layer norm"))
    assert not any(isinstance(module, nn.GELU) for module in relu.modules())
    assert sum(isinstance(module, nn.ReLU) for module in relu.modules()) == 14
    assert sum(isinstance(m, fasternet_ablations.ChannelNorm) for m in layer.modules()) == 17
    assert torch.equal(layer.stem.conv.weight, native("fasternet_t0").stem.conv.weight)
    folded = fasternet_ablations.t0(fasternet_ablations.FOLDED, image)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())


def test_a_channel_norm_is_over_the_channels_of_each_position() -> None:
    x = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0)).double()
    norm = fasternet_ablations.ChannelNorm(5).double()
    mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, correction=0)
    torch.testing.assert_close(norm(x), (x - mean) / torch.sqrt(variance + norm.eps))


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim",
    [
        *fasternet_ablations.CLAIMS,
        *(c for c in fasternet_networks.CLAIMS if "/t" in c.id and "cpu" in c.scales),
    ],
    ids=lambda claim: claim.id,
)
def test_each_claim_runs(claim) -> None:
    if claim.needs.packages:
        pytest.importorskip("timm")
    assert claim.measure(SMOKE).value > 0
    assert claim.control.measure(SMOKE).value > 0
