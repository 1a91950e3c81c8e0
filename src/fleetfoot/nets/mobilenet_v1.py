"""MobileNetV1: every convolution but the first is depthwise, then pointwise.

Paper    Howard et al., "MobileNets", 2017, arXiv:1704.04861; `TABLE` is its Table 1
Departs  ReLU6 for ReLU, as the released weights and timm have it; the last depthwise convolution
         has stride 1: Table 1 says 2, but its input and output are both 7 x 7. Symmetric padding
         and eps 1e-5, as timm; the released weights are TensorFlow's, with SAME padding and eps
         1e-3 (``padding="same", norm_eps=1e-3``). The paper states no first weights: EfficientNet's
"""

from fleetfoot.blocks.inverted_residual import Form, Row
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec

TABLE = (
    Row(1, 64, 1, 1),
    Row(1, 128, 2, 2),
    Row(1, 256, 2, 2),
    Row(1, 512, 6, 2),
    Row(1, 1024, 2, 2),
)
V1 = MobileNetSpec(
    stages=tuple((row,) for row in TABLE), form=Form(linear=False), head=0, dropout=0.0
)


class MobileNetV1(MobileNet):
    """`MobileNet` with the table of this file; without residual branches, hence no ``drop_path``.

    Args:
        dropout: rate before the classifier.
        norm_eps: of the batch norms; None is 1e-5.
        padding: "symmetric" or TensorFlow's "same"; None is symmetric.
    """

    def __init__(
        self,
        spec: MobileNetSpec,
        num_classes: int,
        *,
        in_chans: int = 3,
        dropout: float | None = None,
        norm_eps: float | None = None,
        padding: str | None = None,
    ) -> None:
        super().__init__(
            spec,
            num_classes,
            in_chans=in_chans,
            dropout=dropout,
            norm_eps=norm_eps,
            padding=padding,
        )


def _member(width: float, params: int, macs: int) -> Member:
    spec = V1.scaled(width=width, depth=1.0)
    return Member(spec, params, macs, f"{width} times the width", checked_against="timm")


register_family(
    MobileNetV1,
    {
        "mobilenetv1_100": _member(1.0, 4_231_976, 568_740_352),
        "mobilenetv1_125": _member(1.25, 6_270_840, 879_516_800),
    },
    paper="arXiv:1704.04861",
)
