"""MobileNetV2: inverted residuals with linear bottlenecks.

Paper    Sandler et al., CVPR 2018, arXiv:1801.04381; `TABLE` is its Table 2, row by row
Departs  nowhere at width 1; other widths are the paper's (the head grows but never shrinks), the
         deeper forms are timm's, which keep stem, head and the outer stages. Symmetric padding and
         eps 1e-5, as timm and torchvision; the authors' weights are TensorFlow's, with SAME padding
         and eps 1e-3 (``padding="same", norm_eps=1e-3``). The paper states no first weights:
         EfficientNet's
"""

from dataclasses import replace

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


def _member(width: float, depth: float, params: int, macs: int) -> Member:
    """Return a network by how far it is from the baseline; a deeper one keeps its ends."""
    base = V2 if depth == 1 else replace(V2, fixed=("stem", "head", "ends"))
    spec = base.scaled(width=width, depth=depth)
    note = f"{width} times the width, {depth} times the depth"
    return Member(spec, params, macs, note, checked_against="timm")


register_family(
    MobileNet,
    {
        "mobilenetv2_035": _member(0.35, 1.0, 1_677_128, 59_285_808),
        "mobilenetv2_050": _member(0.5, 1.0, 1_968_680, 97_131_840),
        "mobilenetv2_075": _member(0.75, 1.0, 2_636_424, 209_069_792),
        "mobilenetv2_100": _member(1.0, 1.0, 3_504_872, 300_774_272),
        "mobilenetv2_110d": _member(1.1, 1.2, 4_516_520, 430_516_080),
        "mobilenetv2_120d": _member(1.2, 1.4, 5_831_144, 668_857_568),
        "mobilenetv2_140": _member(1.4, 1.0, 6_108_776, 582_195_824),
    },
    family="mobilenet_v2",
    paper="arXiv:1801.04381",
)
