"""MnasNet-A1 and B1: found by a search that measured latency on a phone.

Paper    Tan et al., "MnasNet", CVPR 2019, arXiv:1807.11626; `A1` is its Figure 7, `B1` the best
         network without gates, whose table is that of tensorflow/tpu, models/official/mnasnet
Departs  the head keeps its 1280 channels at other widths. Symmetric padding and eps 1e-5, as timm
         and torchvision; the repository has SAME padding and eps 1e-3 (``padding="same",
         norm_eps=1e-3``). First weights are the repository's, which EfficientNet's are too. Names
         are timm's: `semnasnet` (squeeze-and-excitation) is A1, `mnasnet` is B1
"""

import torch.nn.functional as F

from fleetfoot.blocks.inverted_residual import Form, Gate, Row
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec
from fleetfoot.ops.conv import relu

A1 = (
    Row(1, 16, 1, 1, 3),
    Row(6, 24, 2, 2, 3),
    Row(3, 40, 3, 2, 5, gated=True),
    Row(6, 80, 4, 2, 3),
    Row(6, 112, 2, 1, 3, gated=True),
    Row(6, 160, 3, 2, 5, gated=True),
    Row(6, 320, 1, 1, 3),
)
B1 = (
    Row(1, 16, 1, 1, 3),
    Row(3, 24, 3, 2, 3),
    Row(3, 40, 3, 2, 5),
    Row(6, 80, 3, 2, 5),
    Row(6, 96, 2, 1, 3),
    Row(6, 192, 4, 2, 5),
    Row(6, 320, 1, 1, 3),
)


def _member(table: tuple[Row, ...], width: float, params: int, macs: int) -> Member:
    base = MobileNetSpec(
        stages=tuple((row,) for row in table),
        form=Form(act=relu, gate=Gate(act=F.relu)),
        fixed=("head",),
    )
    spec = base.scaled(width=width, depth=1.0)
    note = f"{'B1' if table is B1 else 'A1'}, {width} times the width"
    return Member(spec, params, macs, note, checked_against="timm")


register_family(
    MobileNet,
    {
        "mnasnet_050": _member(B1, 0.5, 2_218_512, 104_455_968),
        "mnasnet_075": _member(B1, 0.75, 3_170_208, 215_493_104),
        "mnasnet_100": _member(B1, 1.0, 4_383_312, 314_415_872),
        "mnasnet_140": _member(B1, 1.4, 7_115_728, 588_799_408),
        "semnasnet_050": _member(A1, 0.5, 2_082_006, 103_162_992),
        "semnasnet_075": _member(A1, 0.75, 2_912_278, 223_448_480),
        "semnasnet_100": _member(A1, 1.0, 3_887_038, 311_579_072),
        "semnasnet_140": _member(A1, 1.4, 6_105_992, 586_317_952),
    },
    family="mnasnet",
    paper="arXiv:1807.11626",
)
