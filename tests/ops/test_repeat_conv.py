import pytest
import torch

from fleetfoot.core.errors import ShapeError
from fleetfoot.measure.counts import count
from fleetfoot.ops.binary_conv import BinaryConv2d
from fleetfoot.ops.repeat_conv import repeat_conv, tile


def test_blocks_follow_each_other():
    x = torch.arange(3.0).view(1, 3, 1, 1)
    assert tile(x, 2).flatten().tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("repeats", [2, 4])
def test_maps_are_wider_at_equal_weights_and_macs(repeats: int):
    conv = BinaryConv2d(8, 12, 3, stride=2, padding=1, scale="filter")
    wide = repeat_conv(conv, repeats)
    assert sum(p.numel() for p in wide.parameters()) == conv.weight.numel()
    assert count(wide, (8 * repeats, 9, 9)).macs == count(conv, (8, 9, 9)).macs
    y = wide(torch.randn(2, 8 * repeats, 9, 9))
    assert y.shape == (2, 12 * repeats, 5, 5)
    narrow = 12 // repeats
    assert all(torch.equal(y[:, :narrow], part) for part in y.split(narrow, dim=1))


def test_once_is_the_layer_itself():
    conv = BinaryConv2d(4, 6, 3)
    assert repeat_conv(conv, 1) is conv


def test_channels_that_do_not_divide():
    with pytest.raises(ShapeError, match="repeats=4 does not divide 6 channels"):
        repeat_conv(BinaryConv2d(4, 6, 3), 4)
