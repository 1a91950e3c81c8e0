"""FasterNet, Table 5: what its activation and its normalisation cost in time.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 5
Letters  N batch, C channels, H height, W width
"""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting
from fleetfoot.claims.rules import at_least_ratio
from fleetfoot.claims.timing import (
    columns,
    native,
    network_ms,
    times_as_long,
    with_settled_norms,
)
from fleetfoot.core.surgery import replaced
from fleetfoot.measure.latency import Latency
from fleetfoot.passes.fold_batch_norm import fold_batch_norm

Make = Callable[[], nn.Module]


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position; keeps the shape (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        normed = F.layer_norm(
            input.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps
        )
        return normed.permute(0, 3, 1, 2)


def image(setting: Setting) -> tuple[int, int, int]:
    """Return the shape of one image."""
    return (3, 64, 64) if setting.scale == "smoke" else (3, 224, 224)


def with_gelu() -> nn.Module:
    """Return FasterNet-T0 as published."""
    return native("fasternet_t0")


def with_relu() -> nn.Module:
    """Return FasterNet-T0 with ReLU for every GELU."""
    return replaced(with_gelu(), nn.GELU, lambda _: nn.ReLU(inplace=True))


def with_layer_norm() -> nn.Module:
    """Return FasterNet-T0 with a layer norm over channels for every batch norm."""
    return replaced(with_gelu(), nn.BatchNorm2d, lambda norm: ChannelNorm(norm.num_features))


def without_norm() -> nn.Module:
    """Return FasterNet-T0 with nothing for every batch norm."""
    return replaced(with_gelu(), nn.BatchNorm2d, lambda _: nn.Identity())


def folded(setting: Setting) -> nn.Module:
    """Return FasterNet-T0 with its batch norms, settled by noise, inside the convolutions."""
    return fold_batch_norm(with_settled_norms(with_gelu(), image(setting))).model


def rows_of(times: Mapping[str, Latency]) -> tuple[Mapping[str, object], ...]:
    """Return a row for each variant."""
    return tuple({"variant": name, **columns(latency)} for name, latency in times.items())


def gelu_over(name: str, other: Make) -> Callable[[Setting], Measurement]:
    """Return the measurement of GELU's time over that of another T0."""

    def measured(setting: Setting) -> Measurement:
        times = network_ms({"gelu": with_gelu(), name: other()}, image(setting), setting)
        return times_as_long(times["gelu"], times[name], table=rows_of(times))

    return measured


def over_folded(name: str, other: Make) -> Callable[[Setting], Measurement]:
    """Return the measurement of another T0's time over that with folded batch norms."""

    def measured(setting: Setting) -> Measurement:
        nets = {name: other(), "folded batch norm": folded(setting), "batch norm": with_gelu()}
        times = network_ms(nets, image(setting), setting)
        return times_as_long(times[name], times["folded batch norm"], table=rows_of(times))

    return measured


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
        measure=gelu_over("relu", with_relu),
        rule=at_least_ratio(1.12),
        control=Control(
            "nothing is changed: the network with GELU twice", gelu_over("gelu again", with_gelu)
        ),
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
        measure=over_folded("layer norm", with_layer_norm),
        rule=at_least_ratio(1.16),
        control=Control("the layer norms are left out", over_folded("no norm", without_norm)),
    ),
)
