"""MobileNetV2: inverted residuals with linear bottlenecks.

Paper    Sandler et al., CVPR 2018, arXiv:1801.04381; `TABLE` is its Table 2, row by row
Departs  nowhere at width 1; other widths are the paper's (the head grows but never shrinks), the
         deeper forms are timm's, which keep stem, head and the outer stages
"""

from dataclasses import replace
from typing import NamedTuple

from fleetfoot.blocks.inverted_residual import Form, Row
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec

TABLE = (
    Row(1, 16, 1, 1),
    Row(6, 24, 2, 2),
    Row(6, 32, 3, 2),
    Row(6, 64, 4, 2),
    Row(6, 96, 3, 1),
    Row(6, 160, 3, 2),
    Row(6, 320, 1, 1),
)
V2 = MobileNetSpec(stages=tuple((row,) for row in TABLE), form=Form(), least_head=1280)


class Scale(NamedTuple):
    """How far a member is from the baseline, and what it then costs."""

    width: float
    depth: float
    params: int
    macs: int

    @property
    def spec(self) -> MobileNetSpec:
        """The member's spec; a deeper one keeps its ends."""
        base = V2 if self.depth == 1 else replace(V2, fixed=("stem", "head", "ends"))
        return base.scaled(width=self.width, depth=self.depth)


# Counts are for 1000 classes at 224 x 224; a contract test recomputes each of them.
MEMBERS = {
    "035": Scale(0.35, 1.0, 1_677_128, 59_285_808),
    "050": Scale(0.5, 1.0, 1_968_680, 97_131_840),
    "075": Scale(0.75, 1.0, 2_636_424, 209_069_792),
    "100": Scale(1.0, 1.0, 3_504_872, 300_774_272),
    "110d": Scale(1.1, 1.2, 4_516_520, 430_516_080),
    "120d": Scale(1.2, 1.4, 5_831_144, 668_857_568),
    "140": Scale(1.4, 1.0, 6_108_776, 582_195_824),
}


class MobileNetV2(MobileNet):
    """`MobileNet` with the table of this file."""


register_family(
    MobileNetV2,
    paper="arXiv:1801.04381",
    members={
        f"mobilenetv2_{key}": Member(
            spec=scale.spec,
            params=scale.params,
            macs=scale.macs,
            checked_against=f"timm:mobilenetv2_{key}",
            note=f"{scale.width} times the width, {scale.depth} times the depth",
        )
        for key, scale in MEMBERS.items()
    },
)
