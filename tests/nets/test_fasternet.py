"""FasterNet: the block against its formula, the sheet's table, and the stem for small images."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.nets.fasternet import VARIANTS, FasterNet, FasterNetBlock
from fleetfoot.ops.partial_conv import PartialConv2d


def test_block_is_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    block = FasterNetBlock(8, VARIANTS["t0"].spec, drop_path=0.0).double().eval()
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2.0)
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    mixed = torch.cat((F.conv2d(x[:, :2], block.mix.weight, padding=1), x[:, 2:]), dim=1)
    wide = torch.einsum("oc,nchw->nohw", block.expand.weight[:, :, 0, 0], mixed)
    mean, var = (t[:, None, None] for t in (block.norm.running_mean, block.norm.running_var))
    hidden = 0.5 * (y := (wide - mean) / (var + 1e-5).sqrt()) * (1 + torch.erf(y / 2**0.5))
    expected = x + torch.einsum("oc,nchw->nohw", block.project.weight[:, :, 0, 0], hidden)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(
    ("variant", "channels", "blocks", "act", "drop_path"),
    [
        ("t0", 40, (1, 2, 8, 2), nn.GELU, 0.0),
        ("t1", 64, (1, 2, 8, 2), nn.GELU, 0.02),
        ("t2", 96, (1, 2, 8, 2), nn.ReLU, 0.05),
        ("s", 128, (1, 2, 13, 2), nn.ReLU, 0.1),
        ("m", 144, (3, 4, 18, 3), nn.ReLU, 0.2),
        ("l", 192, (3, 4, 18, 3), nn.ReLU, 0.3),
    ],
)
def test_table(
    variant: str, channels: int, blocks: tuple[int, ...], act: type[nn.Module], drop_path: float
) -> None:
    with torch.device("meta"):
        net = create(f"fasternet_{variant}")
    assert isinstance(net, FasterNet)
    found = [[m for m in stage.modules() if isinstance(m, FasterNetBlock)] for stage in net.stages]
    assert tuple(len(stage) for stage in found) == blocks
    assert [stage[0].mix.weight.shape[0] for stage in found] == [
        channels * 2**i // 4 for i in range(4)
    ]
    assert all(isinstance(block.act, act) for stage in found for block in stage)
    rates = [block.drop_path.rate for stage in found for block in stage]
    assert rates == pytest.approx([drop_path * i / (len(rates) - 1) for i in range(len(rates))])


def test_first_weights() -> None:
    torch.manual_seed(0)
    net = create("fasternet_t0")
    for module in net.modules():
        if (
            isinstance(module, (nn.Conv2d, nn.Linear, PartialConv2d))
            and module.weight.numel() > 999
        ):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert net.classifier.bias.abs().max() == 0


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_stem_for_small_images(patch: int) -> None:
    net = create("fasternet_t0", patch=patch, num_classes=10).eval()
    assert [item.reduction for item in net.feature_info] == [patch * 2**i for i in range(4)]
    assert net.min_size == 8 * patch
    x = torch.randn(1, 3, 32, 32)
    assert net.forward_features(x)[0].shape == (1, 40, 32 // patch, 32 // patch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 3}, "patch=3 is not offered: take 4, 2 or 1"),
        ({"drop_path": 1.0}, r"drop_path=1\.0 is not in \[0, 1\)"),
        ({"dropout": 1.0}, r"dropout=1\.0 is not in \[0, 1\)"),
    ],
)
def test_refuses_other_options(options: dict[str, float], message: str) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match=message):
        create("fasternet_t0", **options)
