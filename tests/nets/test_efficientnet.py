"""EfficientNet: the sheet's table of widths and layers, row by row."""

import pytest
import torch

from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.ops.same_pad import SamePad2d
from fleetfoot.ops.squeeze_excite import SqueezeExcite

SHEET = {  # stem, widths of the stages, head, layers of the stages, dropout
    "b0": (32, (16, 24, 40, 80, 112, 192, 320), 1280, (1, 2, 2, 3, 3, 4, 1), 0.2),
    "b1": (32, (16, 24, 40, 80, 112, 192, 320), 1280, (2, 3, 3, 4, 4, 5, 2), 0.2),
    "b2": (32, (16, 24, 48, 88, 120, 208, 352), 1408, (2, 3, 3, 4, 4, 5, 2), 0.3),
    "b3": (40, (24, 32, 48, 96, 136, 232, 384), 1536, (2, 3, 3, 5, 5, 6, 2), 0.3),
    "b4": (48, (24, 32, 56, 112, 160, 272, 448), 1792, (2, 4, 4, 6, 6, 8, 2), 0.4),
    "b5": (48, (24, 40, 64, 128, 176, 304, 512), 2048, (3, 5, 5, 7, 7, 9, 3), 0.4),
    "b6": (56, (32, 40, 72, 144, 200, 344, 576), 2304, (3, 6, 6, 8, 8, 11, 3), 0.5),
    "b7": (64, (32, 48, 80, 160, 224, 384, 640), 2560, (4, 7, 7, 10, 10, 13, 4), 0.5),
}


@pytest.mark.parametrize("prefix", ["", "tf_"])
@pytest.mark.parametrize("key", SHEET)
def test_table_of_the_sheet(key: str, prefix: str) -> None:
    spec = entry(f"{prefix}efficientnet_{key}").spec
    rows = [row for (row,) in spec.stages]
    found = (
        spec.stem,
        tuple(row.channels for row in rows),
        spec.head,
        tuple(row.layers for row in rows),
        spec.dropout,
    )
    assert found == SHEET[key]
    assert [row.kernel_size for row in rows] == [3, 3, 5, 3, 5, 5, 3]
    assert [row.stride for row in rows] == [1, 2, 2, 2, 1, 2, 1]


def test_every_layer_has_a_gate_and_only_the_original_pads_unevenly() -> None:
    with torch.device("meta"):
        plain, original = create("efficientnet_b0"), create("tf_efficientnet_b0")
    for net, pads in ((plain, 0), (original, 5)):
        kinds = [type(m) for m in net.modules()]
        assert kinds.count(SqueezeExcite) == 16
        assert kinds.count(SamePad2d) == pads
    widths = [m.reduce_bias.numel() for m in plain.modules() if isinstance(m, SqueezeExcite)]
    assert widths == [8, 4, 6, 6, 10, 10, 20, 20, 20, 28, 28, 28, 48, 48, 48, 48]
