"""EfficientNet-Lite 0 to 4: the tables of EfficientNet with ReLU6, without gates.

Paper    none; the repository tensorflow/tpu, models/official/efficientnet/lite, on top of Tan, Le,
         "EfficientNet", ICML 2019, arXiv:1905.11946
Departs  `efficientnet_lite*` pads symmetrically and has eps 1e-5 (timm's form); `tf_*` is the
         original: SAME padding, eps 1e-3. Sizes of Lite3 and Lite4 are the repository's 280 and
         300; timm says 300 and 380
"""

from dataclasses import replace

from fleetfoot.blocks.inverted_residual import Form
from fleetfoot.core.registry import Member, register_family
from fleetfoot.nets.efficientnet import TABLE, scaled_member
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec

BASE = MobileNetSpec(
    stages=tuple((row,) for row in TABLE),
    form=Form(),
    drop_path=0.2,
    fixed=("stem", "head", "ends"),
)

MEMBERS = {
    "lite0": (1.0, 1.0, 224, 0.2, 4_652_008, 385_187_552),
    "lite1": (1.0, 1.1, 240, 0.2, 5_416_680, 600_185_232),
    "lite2": (1.1, 1.2, 260, 0.3, 6_092_072, 859_736_272),
    "lite3": (1.2, 1.4, 280, 0.3, 8_197_096, 1_383_321_872),
    "lite4": (1.4, 1.8, 300, 0.3, 13_006_568, 2_553_034_336),
}
TRAINED = ("lite0", "lite1", "lite2")  # weights are in packages of the `weights` extra


def _member(key: str, prefix: str) -> Member:
    member = scaled_member(BASE, f"{prefix}efficientnet_{key}", MEMBERS[key])
    return replace(member, weights=f"efficientnet_{key}") if prefix and key in TRAINED else member


register_family(
    MobileNet,
    {
        f"{prefix}efficientnet_{key}": _member(key, prefix)
        for prefix in ("", "tf_")
        for key in MEMBERS
    },
    family="efficientnet_lite",
    paper="none (tensorflow/tpu, models/official/efficientnet/lite)",
)
