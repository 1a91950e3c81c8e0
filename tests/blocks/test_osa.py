"""One-shot aggregation: what it is when its last convolution picks the input, and its refusals."""

import pytest
import torch
from torch import nn

from fleetfoot.blocks.osa import OSA, osa, separable
from fleetfoot.core.errors import ShapeError, UsageError


def test_a_selecting_merge_returns_the_normed_input() -> None:
    torch.manual_seed(0)
    block = OSA(4, 6, 4, layers=3).eval()
    norm = block.merge.norm
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    with torch.no_grad():
        weight = block.merge.conv.weight.zero_()
        weight[:, :4, 0, 0] = torch.eye(4)
        x = torch.randn(2, 4, 5, 6)
        torch.testing.assert_close(block(x), norm(x).relu())


def test_without_a_merge_the_chain_is_there_as_it_is() -> None:
    torch.manual_seed(0)
    block = OSA(4, 6, None, layers=2).eval()
    x = torch.randn(2, 4, 5, 6)
    first, second = block.layers
    expected = torch.cat((x, first(x), second(first(x))), dim=1)
    assert torch.equal(block(x), expected)


def test_a_closed_gate_leaves_the_shortcut() -> None:
    block = OSA(4, 6, 4, layers=2, ese=True, shortcut=True, depthwise=True).eval()
    with torch.no_grad():
        block.attention.weight.zero_()
        block.attention.bias.fill_(-3.0)
        x = torch.randn(2, 4, 5, 6)
        assert torch.equal(block(x), x)


@pytest.mark.parametrize(("in_channels", "reduces"), [(4, True), (6, False)])
def test_the_separable_chain_starts_at_its_own_width(in_channels: int, reduces: bool) -> None:
    block = OSA(in_channels, 6, 8, layers=2, depthwise=True)
    assert isinstance(block.reduce, nn.Identity) is not reduces
    assert block(torch.randn(2, in_channels, 5, 5)).shape == (2, 8, 5, 5)


def test_separable_strides_in_its_depthwise_part() -> None:
    unit = separable(4, 6, stride=2)
    assert unit(torch.randn(2, 4, 7, 8)).shape == (2, 6, 4, 4)
    assert unit.depthwise.groups == 4


def test_refuses_a_shortcut_between_different_widths() -> None:
    with pytest.raises(ShapeError, match="got 4 to 8"):
        OSA(4, 6, 8, layers=2, shortcut=True)
    with pytest.raises(UsageError, match=r"drop_path=1\.0"):
        OSA(4, 6, 4, layers=2, shortcut=True, drop_path=1.0)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 6, 2), "in_channels=0 is too small: give at least 1"),
        ((4, -6, 2), "width=-6 is too small"),
        ((4, 6, 0), "layers=0 is too small"),
    ],
)
def test_refuses_nonsense(sizes: tuple[int, int, int], message: str) -> None:
    in_channels, width, layers = sizes
    with pytest.raises(UsageError, match=message):
        OSA(in_channels, width, 8, layers=layers)
    with pytest.raises(UsageError, match="out_channels=0 is too small"):
        OSA(4, 6, 0, layers=2)


def test_the_function_joins_all_maps() -> None:
    x = torch.randn(1, 2, 3, 3)
    got = osa(x, [torch.sin, torch.cos], reduce=torch.exp, merge=torch.neg)
    first = x.exp().sin()
    torch.testing.assert_close(got, -torch.cat((x, first, first.cos()), dim=1))
