"""FasterNet, Table 3: whole networks against others of about the same accuracy.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 3
Departs  untrained weights, which decide no time; batch norms are left unfolded in all networks
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch import nn

from fleetfoot.claims.claim import Claim, Measurement, Needs, Setting, at_least_ratio
from fleetfoot.claims.timing import foreign, native, network_ms, times_as_long
from fleetfoot.ops.partial_conv import PartialConv2d

GPU_BATCH = 32


class Pair(NamedTuple):
    """Two networks of one accuracy class in Table 3.

    `rival` is ours where `is_foreign` is false, else timm's; `cpu` is how many times as long the
    rival takes in the paper, `gpu` how many times fewer images a second it does.
    """

    ours: str
    rival: str
    title: str
    is_foreign: bool
    side: int  # of the rival's images
    cpu: float
    gpu: float


PAIRS = (
    Pair("fasternet_t0", "mobilevit_xxs", "MobileViT-XXS", True, 256, 3.3, 2.8),
    Pair("fasternet_t0", "edgenext_xx_small", "EdgeNeXt-XXS", True, 256, 1.71, 2.46),
    Pair("fasternet_t0", "mobilenetv2_100", "MobileNetV2", False, 224, 1.33, 1.62),
    Pair("fasternet_t1", "poolformer_s12", "PoolFormer-S12", True, 224, 2.77, 2.63),
    Pair("fasternet_t2", "resnet50", "ResNet-50", False, 224, 2.18, 2.08),
    Pair("fasternet_s", "convnext_tiny", "ConvNeXt-T", True, 224, 1.21, 1.57),
    Pair("fasternet_l", "swin_base_patch4_window7_224", "Swin-B", True, 224, 1.59, 1.36),
    Pair("fasternet_l", "convnext_base", "ConvNeXt-B", True, 224, 1.17, 1.28),
)


def with_full_convolutions(net: nn.Module) -> nn.Module:
    """Return the network with every partial convolution made a full one: the idea removed."""
    for name, module in list(net.named_modules()):
        if isinstance(module, PartialConv2d):
            channels = module.channels
            net.set_submodule(name, nn.Conv2d(channels, channels, 3, padding=1, bias=False))
    return net


def rival_over_ours(
    pair: Pair, change: Callable[[nn.Module], nn.Module] = lambda net: net
) -> Callable[[Setting], Measurement]:
    """Return the measurement of the rival's time over ours, after a change of ours."""

    def measured(setting: Setting) -> Measurement:
        rival = foreign(pair.rival) if pair.is_foreign else native(pair.rival)
        nets = {pair.ours: change(native(pair.ours)), pair.rival: rival}
        sides = {pair.ours: 224, pair.rival: pair.side}
        batch = GPU_BATCH if setting.device == "cuda" else 1
        images = {name: (3, side, side) for name, side in sides.items()}
        times = network_ms(nets, images, setting, batch=batch)
        table: Any = tuple(
            {
                "network": name,
                "size": sides[name],
                "batch": batch,
                "latency_ms_p50": latency.ms_p50,
                "latency_ms_iqr": latency.ms_iqr,
                "samples": latency.samples,
            }
            for name, latency in times.items()
        )
        return times_as_long(times[pair.rival], times[pair.ours], table=table)

    return measured


def _claims() -> Iterator[Claim]:
    for pair in PAIRS:
        yield _claim(pair, on_gpu=False)
        yield _claim(pair, on_gpu=True)


def _claim(pair: Pair, *, on_gpu: bool) -> Claim:
    variant = pair.ours.removeprefix("fasternet_")
    name = f"FasterNet-{variant.upper()}"
    ratio = pair.gpu if on_gpu else pair.cpu
    where, protocol = ("GPU", ON_GPU) if on_gpu else ("CPU", ON_CPU)
    origin = "timm's definition" if pair.is_foreign else "our definition"
    return Claim(
        id=f"fasternet/{variant}-{pair.title.lower()}" + ("-gpu" if on_gpu else ""),
        paper=f"arXiv:2303.03667v3, Table 3, {where}",
        sentence=f"On a {where}, {name} is {ratio} times as fast as {pair.title}, which is of "
        "about the same accuracy.",
        protocol=f"{protocol} {pair.title} is {origin}, at {pair.side} px.",
        unit=f"time of {pair.title} / time of {name}",
        paper_value=ratio,
        measure=rival_over_ours(pair),
        verdict=at_least_ratio(ratio),
        control=rival_over_ours(pair, with_full_convolutions),
        control_sentence=f"every partial convolution of {name} is a full one",
        needs=Needs(
            packages=("timm",) if pair.is_foreign else (), device="cuda" if on_gpu else "cpu"
        ),
        scales=("gpu",) if on_gpu else ("smoke", "cpu"),
        decides_at=("gpu",) if on_gpu else ("cpu",),
    )


ON_CPU = (
    "Batch 1, one thread, float32, torch eager, default layout, each network in a pinned process "
    "of its own, blocks alternating; ours at 224 px. No norm is folded in either network; the "
    "paper folds them and times an i9-9900X."
)
ON_GPU = (
    f"Batch {GPU_BATCH} on an accelerator, float32 without TF32, torch eager, default layout; ours "
    "at 224 px. No norm is folded in either network; the paper folds them and times a 2080Ti."
)
CLAIMS = tuple(_claims())
