"""FasterNet, Table 5: what its activation and its normalisation cost in time.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 5
Letters  N batch, C channels, H height, W width
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, measured
from fleetfoot.claims.rules import at_least_ratio
from fleetfoot.claims.timing import Image, native, network_ms, recalibrated, rows_of, times_as_long
from fleetfoot.core.surgery import replaced
from fleetfoot.passes.fold_batch_norm import fold_batch_norm


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position; keeps the shape (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        normed = F.layer_norm(
            input.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps
        )
        return normed.permute(0, 3, 1, 2)


FORMS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "gelu": lambda net: net,  # as published
    "gelu again": lambda net: net,
    "batch norm": lambda net: net,
    "relu": lambda net: replaced(net, nn.GELU, lambda _: nn.ReLU(inplace=True)),
    "layer norm": lambda net: replaced(
        net, nn.BatchNorm2d, lambda norm: ChannelNorm(norm.num_features)
    ),
    "no norm": lambda net: replaced(net, nn.BatchNorm2d, lambda _: nn.Identity()),
}
FOLDED = "folded batch norm"


def t0(form: str, image: Image) -> nn.Module:
    """Return FasterNet-T0 in a form; folded, its batch norms are recalibrated on noise before."""
    net = native("fasternet_t0")
    if form == FOLDED:
        return fold_batch_norm(recalibrated(net, image)).model
    return FORMS[form](net)


@measured
def time_over(setting: Setting, slow: str, fast: str, *others: str) -> Measurement:
    """Return one form's time over another's; others are in the table."""
    image = (3, 64, 64) if setting.scale == "smoke" else (3, 224, 224)
    nets = {form: t0(form, image) for form in (slow, fast, *others)}
    times = network_ms(nets, image, setting)
    return times_as_long(times[slow], times[fast], table=rows_of(times, "variant"))


PAPER = "arXiv:2303.03667v3, Table 5, CPU"
PROTOCOL = (
    "FasterNet-T0 at 224 px, batch 1, one thread, float32, torch eager, default layout, each "
    "network in a pinned process of its own, blocks alternating. The paper times an i9-9900X."
)

CLAIMS = (
    Claim(
        id="fasternet/relu-gelu",
        paper=PAPER,
        sentence="FasterNet-T0 takes an eighth longer with GELU than with ReLU.",
        protocol=PROTOCOL,
        unit="time with GELU / time with ReLU",
        paper_value=1.12,
        measure=time_over("gelu", "relu"),
        rule=at_least_ratio(1.12),
        control=Control(
            "nothing is changed: the network with GELU twice", time_over("gelu", "gelu again")
        ),
        footing={"cpu": "as published"},
    ),
    Claim(
        id="fasternet/batch-norm-layer-norm",
        paper=PAPER,
        sentence="With layer norms, which cannot be folded, FasterNet-T0 takes a sixth longer than "
        "with batch norms.",
        protocol=f"{PROTOCOL} Layer norms are over the channels of each position, in place of all "
        "seventeen batch norms; batch norms are folded, and timed unfolded beside it.",
        unit="time with layer norms / time with folded batch norms",
        paper_value=1.16,
        measure=time_over("layer norm", FOLDED, "batch norm"),
        rule=at_least_ratio(1.16),
        control=Control("the layer norms are left out", time_over("no norm", FOLDED, "batch norm")),
        footing={"cpu": "as published"},
    ),
)
