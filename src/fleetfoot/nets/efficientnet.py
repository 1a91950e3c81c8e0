"""EfficientNet B0 to B7: a searched baseline, made larger in depth, width and size together.

Paper    Tan, Le, "EfficientNet", ICML 2019, arXiv:1905.11946; `TABLE` is its Table 1, `MEMBERS`
         has the coefficients of the repository tensorflow/tpu, models/official/efficientnet
Departs  `efficientnet_b*` pads symmetrically and has eps 1e-5 (timm's and torchvision's form; the
         latter's B5 to B7 need ``norm_eps=1e-3``); `tf_*` is the original: SAME padding, eps 1e-3
"""

from dataclasses import replace

import torch.nn.functional as F
from torch import nn

from fleetfoot.blocks.inverted_residual import Form, Gate, Row
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec

TABLE = (
    Row(1, 16, 1, 1, 3, gated=True),
    Row(6, 24, 2, 2, 3, gated=True),
    Row(6, 40, 2, 2, 5, gated=True),
    Row(6, 80, 3, 2, 3, gated=True),
    Row(6, 112, 3, 1, 5, gated=True),
    Row(6, 192, 4, 2, 5, gated=True),
    Row(6, 320, 1, 1, 3, gated=True),
)


def _silu() -> nn.Module:
    return nn.SiLU(inplace=True)


B0 = MobileNetSpec(
    stages=tuple((row,) for row in TABLE),
    form=Form(act=_silu, gate=Gate(act=F.silu)),
    drop_path=0.2,
)


Figures = tuple[float, float, int, float, int, int]
"""Width and depth as multiples of the baseline, size, dropout; parameters and MACs."""


def scaled_member(base: MobileNetSpec, name: str, figures: Figures) -> Member:
    """Return a network by how far it is from ``base``; ``tf_`` names pad as TensorFlow does."""
    width, depth, size, dropout, params, macs = figures
    original = name.startswith("tf_")
    label = name.rpartition("_")[2].title()
    spec = replace(base.scaled(width=width, depth=depth), dropout=dropout)
    note = (
        f"{label}: {width} times the width, {depth} times the depth; "
        f"{'SAME' if original else 'symmetric'} padding"
    )
    spec = spec.of_tensorflow() if original else spec
    return Member(spec, params, macs, note, input=(3, size, size), checked_against="timm")


MEMBERS = {
    "b0": (1.0, 1.0, 224, 0.2, 5_288_548, 385_814_752),
    "b1": (1.0, 1.1, 240, 0.2, 7_794_184, 686_802_832),
    "b2": (1.1, 1.2, 260, 0.3, 9_109_994, 993_561_872),
    "b3": (1.2, 1.4, 300, 0.3, 12_233_232, 1_827_141_392),
    "b4": (1.4, 1.8, 380, 0.4, 19_341_616, 4_393_771_024),
    "b5": (1.6, 2.2, 456, 0.4, 30_389_784, 10_266_384_752),
    "b6": (1.8, 2.6, 528, 0.5, 43_040_704, 19_067_593_536),
    "b7": (2.0, 3.1, 600, 0.5, 66_347_960, 37_745_884_192),
}

register_family(
    MobileNet,
    {
        name: scaled_member(B0, name, figures)
        for key, figures in MEMBERS.items()
        for name in (f"efficientnet_{key}", f"tf_efficientnet_{key}")
    },
    family="efficientnet",
    paper="arXiv:1905.11946",
)
