"""MobileNetV3, large and small: searched rows, hard swish, gates, and a head behind the mean.

Paper    Howard et al., ICCV 2019, arXiv:1905.02244; `LARGE` and `SMALL` are its Tables 1 and 2
Departs  rows give the widening as a factor (the tables its result); gates squeeze to multiples
         of 8. `mobilenetv3_*` pads symmetrically and has eps 1e-5 (timm's form; torchvision's
         weights need ``norm_eps=1e-3``); `tf_*` is the original: SAME padding, eps 1e-3. Stem and
         hidden layer of the narrow forms as in timm
"""

from dataclasses import replace

import torch.nn.functional as F
from torch import nn

from fleetfoot.blocks.inverted_residual import Form, Gate, Row
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec
from fleetfoot.ops.conv import relu


def _hard_swish() -> nn.Module:
    return nn.Hardswish(inplace=True)


_FORM = Form(act=_hard_swish, gate=Gate(act=F.relu, sigmoid=F.hardsigmoid, of_hidden=True))

LARGE = MobileNetSpec(
    stages=(
        (Row(1, 16, 1, 1, 3, act=relu),),
        (Row(4, 24, 1, 2, 3, act=relu), Row(3, 24, 1, 1, 3, act=relu)),
        (Row(3, 40, 3, 2, 5, gated=True, act=relu),),
        (Row(6, 80, 1, 2, 3), Row(2.5, 80, 1, 1, 3), Row(2.3, 80, 2, 1, 3)),
        (Row(6, 112, 2, 1, 3, gated=True),),
        (Row(6, 160, 3, 2, 5, gated=True),),
    ),
    form=_FORM,
    stem=16,
    head=960,
    hidden=1280,
)
SMALL = MobileNetSpec(
    stages=(
        (Row(1, 16, 1, 2, 3, gated=True, act=relu),),
        (Row(4.5, 24, 1, 2, 3, act=relu), Row(3.67, 24, 1, 1, 3, act=relu)),
        (Row(4, 40, 1, 2, 5, gated=True), Row(6, 40, 2, 1, 5, gated=True)),
        (Row(3, 48, 2, 1, 5, gated=True),),
        (Row(6, 96, 3, 2, 5, gated=True),),
    ),
    form=_FORM,
    stem=16,
    head=576,
    hidden=1024,
)


def _member(key: str, prefix: str) -> Member:
    """Return a network by its baseline and width; the narrowest keeps the stem's channels."""
    base, width, params, macs = MEMBERS[key]
    spec = (replace(base, fixed=("stem",)) if width < 0.75 else base).scaled(width=width, depth=1.0)
    note = f"{width} times the width; {'SAME' if prefix else 'symmetric'} padding"
    spec = spec.of_tensorflow() if prefix else spec
    return Member(spec, params, macs, note, checked_against="timm")


MEMBERS = {
    "large_075": (LARGE, 0.75, 3_993_528, 154_560_624),
    "large_100": (LARGE, 1.0, 5_483_032, 216_589_760),
    "small_050": (SMALL, 0.5, 1_593_224, 24_188_688),
    "small_075": (SMALL, 0.75, 2_041_872, 43_399_344),
    "small_100": (SMALL, 1.0, 2_542_856, 56_510_400),
}

register_family(
    MobileNet,
    {f"mobilenetv3_{key}": _member(key, "") for key in MEMBERS}
    | {f"tf_mobilenetv3_{key}": _member(key, "tf_") for key in MEMBERS if key != "small_050"},
    family="mobilenet_v3",
    paper="arXiv:1905.02244",
)
