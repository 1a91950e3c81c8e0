"""The inverted residual against plain functional calls, and the properties the papers state."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.blocks.inverted_residual import (
    Form,
    Gate,
    InvertedResidual,
    Row,
    reset_mobile_net,
)
from fleetfoot.core.errors import UsageError
from fleetfoot.ops.conv import relu
from fleetfoot.ops.squeeze_excite import SqueezeExcite
from tests.contracts.subjects import randomise


def normed(x: Tensor, unit: nn.Module) -> Tensor:
    """Convolve and normalise, written out."""
    conv, norm = unit.conv, unit.norm
    y = F.conv2d(x, conv.weight, stride=conv.stride, padding=conv.padding, groups=conv.groups)
    shape = (1, -1, 1, 1)
    mean, var = norm.running_mean.view(shape), norm.running_var.view(shape)
    scale = norm.weight.view(shape) / (var + norm.eps).sqrt()
    return (y - mean) * scale + norm.bias.view(shape)


@pytest.mark.parametrize("stride", [1, 2])
def test_is_widen_filter_gate_narrow_add(stride: int) -> None:
    torch.manual_seed(0)
    form = Form(act=nn.SiLU, gate=Gate(act=F.silu), eps=1e-3)
    row = Row(6, 8, 1, stride, 5, gated=True)
    block = randomise(InvertedResidual(8, row, form, stride=stride).double())
    x = torch.randn(2, 8, 9, 7, dtype=torch.float64)
    y = F.silu(normed(F.silu(normed(x, block.expand)), block.depthwise))
    gate = block.squeeze
    assert gate.reduce_weight.shape == (2, 48, 1, 1)  # a quarter of the input's channels
    small = F.silu(F.conv2d(y.mean((2, 3), keepdim=True), gate.reduce_weight, gate.reduce_bias))
    y = y * F.conv2d(small, gate.expand_weight, gate.expand_bias).sigmoid()
    expected = normed(y, block.project) + (x if stride == 1 else 0)
    torch.testing.assert_close(block(x), expected)


def test_no_projection_leaves_the_input() -> None:
    block = InvertedResidual(8, Row(6, 8, 1, 1), Form(), stride=1).eval()
    nn.init.zeros_(block.project.norm.weight)
    x = torch.randn(1, 8, 5, 5)
    assert torch.equal(block(x), x)


def test_a_dropped_branch_keeps_the_mean() -> None:
    torch.manual_seed(0)
    block = InvertedResidual(8, Row(2, 8, 1, 1), Form(), stride=1, drop_path=0.25)
    randomise(block)
    x = torch.randn(1, 8, 4, 4).expand(4000, -1, -1, -1)
    branch = block(x)[:1] - x[:1]
    block.drop_path.train()
    torch.testing.assert_close((block(x) - x).mean(0), branch[0], rtol=0.1, atol=0.02)


def test_before_linear_bottlenecks_nothing_is_added() -> None:
    block = InvertedResidual(8, Row(1, 8, 1, 1), Form(linear=False), stride=1).eval()
    assert not block.adds_input
    assert isinstance(block.expand, nn.Identity)
    assert block(torch.randn(1, 8, 5, 5)).min() >= 0


def test_a_row_has_its_own_activation_and_a_gate_its_own_width() -> None:
    form = Form(act=nn.Hardswish, gate=Gate(act=F.relu, sigmoid=F.hardsigmoid, of_hidden=True))
    block = InvertedResidual(24, Row(3.67, 24, 1, 1, gated=True, act=relu), form, stride=1)
    kinds = {type(m) for m in block.modules()}
    assert nn.ReLU in kinds
    assert nn.Hardswish not in kinds
    assert block.depthwise.conv.groups == 88  # 88.08, rounded
    assert block.squeeze.reduce_bias.numel() == 24  # 22, rounded
    assert isinstance(
        InvertedResidual(24, Row(6, 24, 1, 1, gated=True), Form(), stride=1).squeeze, nn.Identity
    )


@pytest.mark.parametrize(
    ("row", "stride", "rate", "message"),
    [
        (Row(0, 8, 1, 1), 1, 0.0, "expand=0 is not above 0"),
        (Row(-6, 8, 1, 1), 1, 0.0, "expand=-6 is not above 0"),
        (Row(6, 0, 1, 1), 1, 0.0, "out_channels=0 is too small"),
        (Row(6, 8, 1, 1, 4), 1, 0.0, "kernel_size=4 is no odd side"),
        (Row(6, 8, 1, 1), 0, 0.0, "stride=0 is too small"),
        (Row(6, 8, 1, 1), 1, 1.0, r"drop_path=1.0 is not in \[0, 1\)"),
    ],
)
def test_refusals(row: Row, stride: int, rate: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InvertedResidual(8, row, Form(), stride=stride, drop_path=rate)


def test_nothing_to_drop_where_nothing_is_added() -> None:
    block = InvertedResidual(8, Row(6, 8, 1, 2), Form(), stride=2, drop_path=0.5)
    assert isinstance(block.drop_path, nn.Identity)


def test_first_weights() -> None:
    torch.manual_seed(0)
    form = Form(gate=Gate(act=F.relu))
    block = InvertedResidual(96, Row(6, 96, 1, 1, 5, gated=True), form, stride=1)
    reset_mobile_net(block)
    assert block.depthwise.conv.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    assert block.expand.conv.weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.05)
    assert isinstance(block.squeeze, SqueezeExcite)
    assert block.squeeze.reduce_weight.std().item() == pytest.approx((2 / 24) ** 0.5, rel=0.05)
