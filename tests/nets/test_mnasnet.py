"""MnasNet: figure 7 of the paper for A1; which table belongs to which name."""

import torch

from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.ops.squeeze_excite import SqueezeExcite


def test_a1_is_the_gated_one() -> None:
    rows = [row for (row,) in entry("semnasnet_100").spec.stages]
    assert [(r.expand, r.kernel_size, r.channels, r.layers, r.gated) for r in rows] == [
        (1, 3, 16, 1, False),
        (6, 3, 24, 2, False),
        (3, 5, 40, 3, True),
        (6, 3, 80, 4, False),
        (6, 3, 112, 2, True),
        (6, 5, 160, 3, True),
        (6, 3, 320, 1, False),
    ]
    with torch.device("meta"):
        counts = [
            sum(isinstance(m, SqueezeExcite) for m in create(name).modules())
            for name in ("semnasnet_100", "mnasnet_100")
        ]
    assert counts == [8, 0]


def test_sizes_of_the_paper() -> None:
    """Table 1: A1 has 3.9 M parameters and 312 M multiply-adds, B1 4.4 M and 315 M."""
    a1, b1 = entry("semnasnet_100"), entry("mnasnet_100")
    assert [round(n.params / 1e6, 1) for n in (a1, b1)] == [3.9, 4.4]
    assert [round(n.macs / 1e6) for n in (a1, b1)] == [312, 314]


def test_narrow_forms_keep_the_head() -> None:
    spec = entry("mnasnet_050").spec
    assert (spec.stem, spec.stages[0][0].channels, spec.head) == (16, 8, 1280)
