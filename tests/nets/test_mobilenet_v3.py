"""MobileNetV3: Tables 1 and 2 of the paper in the paper's own numbers."""

import pytest
import torch
from torch import nn

from fleetfoot.blocks.inverted_residual import InvertedResidual
from fleetfoot.nets.create import create
from fleetfoot.ops.squeeze_excite import SqueezeExcite

LARGE = [  # kernel, expanded, out, gated, activation, stride
    (3, 16, 16, False, "RE", 1),
    (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1),
    (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2),
    (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1),
    (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2),
    (5, 960, 160, True, "HS", 1),
    (5, 960, 160, True, "HS", 1),
]
SMALL = [
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
]


@pytest.mark.parametrize(
    ("name", "table", "head", "hidden"),
    [("large_100", LARGE, 960, 1280), ("small_100", SMALL, 576, 1024)],
)
def test_tables_of_the_paper(
    name: str, table: list[tuple[object, ...]], head: int, hidden: int
) -> None:
    with torch.device("meta"):
        net = create(f"mobilenetv3_{name}")
    found = []
    for block in (m for m in net.modules() if isinstance(m, InvertedResidual)):
        conv = block.depthwise.conv
        word = {nn.ReLU: "RE", nn.Hardswish: "HS"}[type(block.depthwise.act)]
        gated = isinstance(block.squeeze, SqueezeExcite)
        found.append(
            (
                conv.kernel_size[0],
                conv.out_channels,
                block.project.conv.out_channels,
                gated,
                word,
                conv.stride[0],
            )
        )
    assert found == table
    assert (net.head.conv.out_channels, net.hidden.conv.out_channels) == (head, hidden)
    assert net.hidden.conv.bias is not None
