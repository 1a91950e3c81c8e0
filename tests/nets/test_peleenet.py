"""PeleeNet: a second implementation from the sheet, and counts by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from fleetfoot.nets.peleenet import PeleeNetSpec
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from tests.nets.naive_state import Reader, assert_equal, double, noise

BLOCKS = ((3, 16), (4, 32), (8, 64), (6, 64))  # layers, width of the 1x1 convolutions


def width(channels: int, wanted: int) -> int:
    return 4 * (channels // 8) if wanted > channels / 2 else wanted


def naive_peleenet(read: Reader, x: Tensor, *, classes: int) -> Tensor:
    x = read.unit(x, 32, 3, stride=2)
    way = read.unit(read.unit(x, 16, 1), 32, 3, stride=2)
    x = read.unit(torch.cat((F.max_pool2d(x, 2, ceil_mode=True), way), dim=1), 32, 1)
    for block, (layers, wanted) in enumerate(BLOCKS):
        x = F.avg_pool2d(x, 2) if block else x
        for _ in range(layers):
            narrow = width(x.shape[1], wanted)
            near = read.unit(read.unit(x, narrow, 1), 16, 3)
            far = read.unit(read.unit(read.unit(x, narrow, 1), 16, 3), 16, 3)
            x = torch.cat((x, near, far), dim=1)
        x = read.unit(x, x.shape[1], 1)
    return read.linear(x, classes)


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = double(create(name))
    x = noise(2, 3, 43, 34)
    assert_equal(net(x), naive_peleenet(Reader(net), x, classes=1000))


def test_is_its_naive_form() -> None:
    check_against_naive("peleenet")


def test_counts_by_hand() -> None:
    """Weights with two norm parameters an output channel; then positions times weights."""
    units = [(3, 32, 9, 112), (32, 16, 1, 112), (16, 32, 9, 56), (64, 32, 1, 56)]
    channels = 32
    for side, (layers, wanted) in zip((56, 28, 14, 7), BLOCKS):
        for _ in range(layers):
            narrow = width(channels, wanted)
            units += 2 * [(channels, narrow, 1, side), (narrow, 16, 9, side)]
            units.append((16, 16, 9, side))
            channels += 32
        units.append((channels, channels, 1, side))
    params = sum(wide * out * area + 2 * out for wide, out, area, _ in units)
    macs = sum(wide * out * area * side**2 for wide, out, area, side in units)
    assert channels == 704
    assert (entry("peleenet").params, entry("peleenet").macs) == (
        params + 705 * 1000,
        macs + 704 * 1000,
    )
    assert params + 705 * 1000 == 2_802_248  # the sheet's
    assert round(macs / 1e6) == pytest.approx(508, abs=1)


def test_the_narrow_width_follows_the_input_where_that_is_small() -> None:
    with torch.device("meta"):
        net = create("peleenet")
    found = [[layer.near[0].conv.out_channels for layer in s.layers] for s in net.stages]
    assert found == [[16] * 3, [32] * 4, [64] * 8, [64] * 6]
    assert width(64, 64) == 32


def test_published_dropout() -> None:
    with torch.device("meta"):
        assert create("peleenet").dropout.p == 0.05
        assert create("peleenet", dropout=0.0).dropout.p == 0.0


def test_every_norm_folds() -> None:
    torch.manual_seed(0)
    net, x = double(create("peleenet", num_classes=5)), noise(1, 3, 33, 36)
    result = fold_batch_norm(net)
    assert result.skipped == ()
    assert len(result.changed) == sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert_equal(result.model(x), net(x))


def test_names_of_the_official_files() -> None:
    with torch.device("meta"):
        names = foreign_names(create("peleenet").state_dict(), "peleenet", "official")
    assert len(set(names.values())) == len(names)
    assert names["stem.narrow.conv.weight"] == "features.stemblock.stem2a.conv.weight"
    key = "stages.2.layers.7.far.1.norm.bias"
    assert names[key] == "features.denseblock3.denselayer8.branch2b.norm.bias"
    assert names["stages.3.mix.conv.weight"] == "features.transition4.conv.weight"


def test_every_block_has_a_bottleneck() -> None:
    with pytest.raises(UsageError, match="layers has 3, bottleneck has 4"):
        PeleeNetSpec(layers=(1, 2, 3))
