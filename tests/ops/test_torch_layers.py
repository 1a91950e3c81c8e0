"""Formulas of torch layers against counts done by hand and against what torch really calls."""

import pytest
from torch import nn

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.measure.counts import count
from fleetfoot.ops import torch_layers

BY_HAND = [
    (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), (3, 9, 7), Cost(5 * 4 * 8 * 27)),
    (nn.Conv2d(8, 8, 3, padding="same", groups=8), (8, 4, 4), Cost(16 * 8 * 9, 16 * 8)),
    (nn.Conv2d(2, 4, 3, padding="valid", dilation=2), (2, 7, 7), Cost(9 * 4 * 18, 9 * 4)),
    (nn.Linear(10, 5), (10,), Cost(50, 5)),
    (nn.Linear(10, 5, bias=False), (7, 10), Cost(350)),
    (nn.BatchNorm2d(4), (4, 3, 3), Cost(0, 72)),
    (nn.ReLU(), (4, 3, 3), Cost(0, 36)),
    (nn.ReLU6(inplace=True), (4, 3, 3), Cost(0, 36)),
    (nn.GELU(), (4, 3, 3), Cost(0, 36)),
    (nn.SiLU(), (4, 3, 3), Cost(0, 36)),
    (nn.Sigmoid(), (4, 3, 3), Cost(0, 36)),
    (nn.Hardswish(), (4, 3, 3), Cost(0, 36)),
    (nn.Hardsigmoid(), (4, 3, 3), Cost(0, 36)),
    (nn.LeakyReLU(), (4, 3, 3), Cost(0, 36)),
    (nn.ELU(), (4, 3, 3), Cost(0, 36)),
    (nn.Mish(), (4, 3, 3), Cost(0, 36)),
    (nn.AdaptiveAvgPool2d(1), (4, 6, 6), Cost(0, 144)),
    (nn.AdaptiveAvgPool2d(2), (4, 6, 6), Cost(0, 144)),
    (nn.AdaptiveMaxPool2d(1), (4, 6, 6), Cost(0, 144)),
    (nn.MaxPool2d(2), (4, 7, 6), Cost(0, 4 * 9 * 4)),
    (nn.AvgPool2d((3, 1), stride=2, padding=(1, 0)), (4, 5, 5), Cost(0, 4 * 9 * 3)),
    (nn.MaxPool2d(2, ceil_mode=True), (4, 7, 6), Cost(0, 4 * 12 * 4)),
    (nn.MaxPool2d(2, stride=3, padding=1, ceil_mode=True), (4, 5, 4), Cost(0, 4 * 4 * 4)),
    (nn.Flatten(), (4, 3, 3), Cost()),
    (nn.Identity(), (4, 3, 3), Cost()),
    (nn.Dropout(0.5), (4, 3, 3), Cost()),
]


@pytest.mark.parametrize(("module", "shape", "expected"), BY_HAND, ids=lambda v: str(v)[:30])
def test_formula(module: nn.Module, shape: tuple[int, ...], expected: Cost) -> None:
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (1, *shape)) == expected
    counted = count(module, shape)
    assert Cost(counted.macs, counted.elementwise_ops) == expected
    assert counted.uncounted == ()


def test_size_of_a_dilated_window() -> None:
    assert torch_layers.conv_out_size(7, kernel=3, stride=1, padding=0, dilation=2) == 3
