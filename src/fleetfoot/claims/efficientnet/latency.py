"""EfficientNet: time on one core, against ResNet-152 and from B1 to B7.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, Table 4 (one core of a Xeon E5-2690, batch 1)
"""

from typing import Any

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, measured
from fleetfoot.claims.rules import at_least_ratio, within
from fleetfoot.claims.timing import Image, native, network_ms, rows_of, times_as_long
from fleetfoot.measure.counts import count

SIZES: dict[str, int] = dict(
    zip((f"efficientnet_b{n}" for n in range(8)), (224, 240, 260, 300, 380, 456, 528, 600))
)
B1, B7, RESNET = "efficientnet_b1", "efficientnet_b7", "resnet152"
SMOKE_SHRINKS = 4  # sizes of a smoke run are a quarter


@measured
def time_over(setting: Setting, slow: str, fast: str, sizes: dict[str, int]) -> Measurement:
    """Return one network's time over another's.

    Args:
        slow: network whose time is divided.
        fast: by whose.
        sizes: side of the input by network; the table has all of them, but in a smoke run.
    """
    sides = sizes
    if setting.scale == "smoke":
        sides = {n: side // SMOKE_SHRINKS for n, side in sizes.items() if n in (slow, fast)}
    images: dict[str, Image] = {name: (3, side, side) for name, side in sides.items()}
    nets = {name: native(name) for name in images}
    latencies = network_ms(nets, images, setting)
    rows = rows_of(
        latencies,
        "network",
        size={name: image[-1] for name, image in images.items()},
        macs={name: count(net, images[name]).macs for name, net in nets.items()},
    )
    return times_as_long(latencies[slow], latencies[fast], table=rows)


ON_ONE_CORE = (
    "Batch 1, one thread, torch eager, float32, unfolded, a fresh pinned process each, alternating "
    "blocks; median of the rounds' ratios. A network is timed for 20 s at most: of one that takes "
    "more than 0.4 s there are fewer than 50 samples. The paper has means of 20 runs on one core "
    "of a Xeon E5-2690. "
)
TABLE: dict[str, Any] = {
    "paper": "arXiv:1905.11946, Table 4",
    "footing": {"cpu": "as published"},
}

CLAIMS = (
    Claim(
        id="efficientnet/b1-against-resnet152",
        sentence="EfficientNet-B1 takes a 5.7th of the time of ResNet-152 on one core.",
        protocol=f"{ON_ONE_CORE}B1 at 240 x 240, ResNet-152 at 224 x 224. Partly from half of the "
        "paper's gain.",
        unit="time of ResNet-152 / time of EfficientNet-B1",
        paper_value=5.7,
        measure=time_over(RESNET, B1, {RESNET: 224, B1: 240}),
        rule=at_least_ratio(5.7),
        control=Control(
            "in B1's place the next smaller network of ResNet-152's own kind",
            time_over(RESNET, "resnet101", {RESNET: 224, "resnet101": 224}),
        ),
        **TABLE,
    ),
    Claim(
        id="efficientnet/b7-against-b1",
        sentence="From B1 to B7 work grows 53 times and time on one core 31.6 times.",
        protocol=f"{ON_ONE_CORE}B0 to B7 at their own sizes; the table has all eight. The paper "
        "gives 0.098 s and 3.1 s. Reproduced within 20 %, partly within 50 %.",
        unit="time of B7 / time of B1",
        paper_value=31.6,
        measure=time_over(B7, B1, SIZES),
        rule=within(31.6, reproduced=0.2, partly=0.5),
        control=Control(
            "width and depth are scaled, the input stays at 224 x 224",
            time_over(B7, B1, {B1: 224, B7: 224}),
        ),
        **TABLE,
    ),
)
