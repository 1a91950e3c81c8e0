"""FasterNet, Table 3: whole networks against others of about the same accuracy.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 3
Departs  untrained weights, which decide no time
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting, measured
from fleetfoot.claims.rules import at_least_ratio
from fleetfoot.claims.timing import (
    Image,
    foreign,
    native,
    network_ms,
    recalibrated,
    rows_of,
    times_as_long,
)
from fleetfoot.core.surgery import replaced
from fleetfoot.ops.partial_conv import PartialConv2d
from fleetfoot.passes.fold_batch_norm import fold_batch_norm, folded_conv

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
    return replaced(
        net, PartialConv2d, lambda it: nn.Conv2d(it.channels, it.channels, 3, padding=1, bias=False)
    )


def with_folded_norms(net: nn.Module, image: Image, *, is_foreign: bool) -> nn.Module:
    """Return a copy of ``net`` whose batch norms, recalibrated, are inside its convolutions.

    Args:
        net: without batch norms it is copied as it is.
        image: shape of one input.
        is_foreign: timm's, whose batch norms bring their activation along and which need not be
            traceable: its pairs of convolution and norm are found by their names.
    """
    net = recalibrated(net, image)
    return _fold_foreign(net) if is_foreign else fold_batch_norm(net).model


def _fold_foreign(net: nn.Module) -> nn.Module:
    for module in list(net.modules()):
        conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.conv = folded_conv(conv, norm)
            rest = (getattr(norm, "drop", nn.Identity()), getattr(norm, "act", nn.Identity()))
            module.bn = nn.Sequential(*(r for r in rest if not isinstance(r, nn.Identity)))
    return net


@measured
def rival_over_ours(
    setting: Setting, pair: Pair, change: Callable[[nn.Module], nn.Module] = lambda net: net
) -> Measurement:
    """Return the rival's time over ours, after a change of ours.

    Judged are the folded forms; the rows have the others as well.
    """
    rival = foreign(pair.rival) if pair.is_foreign else native(pair.rival)
    plain = {pair.ours: change(native(pair.ours)), pair.rival: rival}
    sides = {pair.ours: 224, pair.rival: pair.side}
    images: dict[str, Image] = {name: (3, side, side) for name, side in sides.items()}
    nets = plain | {
        f"{name}, folded": with_folded_norms(
            net, images[name], is_foreign=pair.is_foreign and name == pair.rival
        )
        for name, net in plain.items()
    }
    batch = GPU_BATCH if setting.device == "cuda" else 1
    of_all = {name: images[name.removesuffix(", folded")] for name in nets}
    times = network_ms(nets, of_all, setting, batch=batch)
    table = rows_of(
        times,
        "network",
        size={name: image[-1] for name, image in of_all.items()},
        batch=dict.fromkeys(nets, batch),
        batch_norms={
            name: sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
            for name, net in nets.items()
        },
    )
    slow, fast = (times[f"{name}, folded"] for name in (pair.rival, pair.ours))
    return times_as_long(slow, fast, table=table)


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
        rule=at_least_ratio(ratio),
        control=Control(
            f"every partial convolution of {name} is a full one",
            rival_over_ours(pair, with_full_convolutions),
        ),
        needs=Needs(
            packages=("timm",) if pair.is_foreign else (), device="cuda" if on_gpu else "cpu"
        ),
        footing={"gpu": "as published"} if on_gpu else {"cpu": "as published"},
        decides_at=("gpu",) if on_gpu else ("cpu",),
    )


FOLDED = (
    "Batch norms are folded in both networks where there are any (EdgeNeXt, PoolFormer, ConvNeXt "
    "and Swin have none); the table has the unfolded forms beside them. "
)
ON_CPU = (
    "Batch 1, one thread, float32, torch eager, default layout, each network in a pinned process "
    "of its own, blocks alternating; ours at 224 px. "
    f"{FOLDED}The paper folds as well, and times an i9-9900X. A network is timed for 20 s at most: "
    "of one that takes more than 0.4 s there are fewer than 50 samples."
)
ON_GPU = (
    f"Batch {GPU_BATCH} on an accelerator, float32 without TF32, torch eager, default layout; ours "
    f"at 224 px. {FOLDED}The paper folds as well, and times a 2080Ti."
)
CLAIMS = tuple(_claim(pair, on_gpu=on_gpu) for pair in PAIRS for on_gpu in (False, True))
