"""MobileNetV1: Table 1 of the paper."""

import torch
from torch import nn

from fleetfoot.nets.create import create


def test_table_1() -> None:
    with torch.device("meta"):
        net = create("mobilenetv1_100")
    depthwise = [c for c in net.modules() if isinstance(c, nn.Conv2d) and c.groups > 1]
    assert [c.out_channels for c in depthwise] == [
        *(32, 64, 128, 128, 256, 256),
        *(512, 512, 512, 512, 512, 512, 1024),
    ]
    assert [c.stride[0] for c in depthwise] == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    assert net.classifier.in_features == 1024
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 27


def test_multiplications_by_hand() -> None:
    """The paper's 569 M: 3x3 stem, then k^2 * c + c * c' a position."""
    rows = [(32, 64, 112), (64, 128, 56), (128, 128, 56), (128, 256, 28), (256, 256, 28)]
    rows += [(256, 512, 14), *[(512, 512, 14)] * 5, (512, 1024, 7), (1024, 1024, 7)]
    total = 112**2 * 9 * 3 * 32 + sum(s**2 * (9 * a + a * b) for a, b, s in rows) + 1024 * 1000
    from fleetfoot.nets.catalog import entry

    assert entry("mobilenetv1_100").macs == total == 568_740_352
