"""MobileNetV2: Table 2 of the paper, its width multipliers, and timm's deeper forms."""

from fleetfoot.nets.catalog import entry
from fleetfoot.nets.mobilenet_v2 import V2


def test_table_2() -> None:
    rows = [(r.expand, r.channels, r.layers, r.stride) for (r,) in V2.stages]
    assert rows == [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]


def test_the_head_grows_but_never_shrinks() -> None:
    heads = {key: entry(f"mobilenetv2_{key}").spec.head for key in ("035", "100", "110d", "140")}
    assert heads == {"035": 1280, "100": 1280, "110d": 1280, "140": 1792}


def test_deeper_forms_keep_their_ends() -> None:
    spec = entry("mobilenetv2_120d").spec
    assert spec.stem == 32
    assert [row.layers for (row,) in spec.stages] == [1, 3, 5, 6, 5, 5, 1]
