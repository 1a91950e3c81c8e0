"""EfficientNet: time on one core, against ResNet-152 and from B1 to B7.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, Table 4 (one core of a Xeon E5-2690, batch 1)
"""

from collections.abc import Callable
from typing import Any

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting
from fleetfoot.claims.rules import at_least_ratio, within
from fleetfoot.claims.timing import Image, columns, native, network_ms, times_as_long
from fleetfoot.measure.counts import count

SIZES = {"b0": 224, "b1": 240, "b2": 260, "b3": 300, "b4": 380, "b5": 456, "b6": 528, "b7": 600}
SMOKE_SHRINKS = 4  # sizes of a smoke run are a quarter

Sizes = dict[str, int]


def times(sizes: Sizes, setting: Setting, *, over: str, under: str) -> Measurement:
    """Return the time of one network over another's, with rows for all of ``sizes``.

    Args:
        sizes: side of the input by network.
        setting: gives scale and device.
        over: network whose time is divided.
        under: by whose.
    """
    nets = {name: native(name) for name in sizes}
    images = {name: _image(side, setting) for name, side in sizes.items()}
    latencies = network_ms(nets, images, setting)
    rows = tuple(
        {
            "network": name,
            "size": images[name][-1],
            "macs": count(nets[name], images[name]).macs,
            **columns(latency),
        }
        for name, latency in latencies.items()
    )
    return times_as_long(latencies[over], latencies[under], table=rows)


def _image(side: int, setting: Setting) -> Image:
    side = side // SMOKE_SHRINKS if setting.scale == "smoke" else side
    return (3, side, side)


def _names(sizes: Sizes) -> Sizes:
    return {f"efficientnet_{key}": side for key, side in sizes.items()}


def _growth(sizes: Sizes) -> Callable[[Setting], Measurement]:
    def measured(setting: Setting) -> Measurement:
        smoke = {key: sizes[key] for key in ("b1", "b7")}
        chosen = _names(smoke if setting.scale == "smoke" else sizes)
        return times(chosen, setting, over="efficientnet_b7", under="efficientnet_b1")

    return measured


def _against_resnet(sizes: Sizes) -> Callable[[Setting], Measurement]:
    def measured(setting: Setting) -> Measurement:
        return times(
            {"resnet152": 224, **sizes}, setting, over="resnet152", under=next(iter(sizes))
        )

    return measured


ON_ONE_CORE = (
    "Batch 1, one thread, torch eager, float32, unfolded, a fresh pinned process each, alternating "
    "blocks; median of the rounds' ratios. A network is timed for 20 s at most: of one that takes "
    "more than 0.4 s there are fewer than 50 samples. The paper has means of 20 runs on one core "
    "of a Xeon E5-2690. "
)
TABLE: dict[str, Any] = {"paper": "arXiv:1905.11946, Table 4"}

CLAIMS = (
    Claim(
        id="efficientnet/b1-against-resnet152",
        sentence="EfficientNet-B1 takes a 5.7th of the time of ResNet-152 on one core.",
        protocol=f"{ON_ONE_CORE}B1 at 240 x 240, ResNet-152 at 224 x 224. Partly from half of the "
        "paper's gain.",
        unit="time of ResNet-152 / time of EfficientNet-B1",
        paper_value=5.7,
        measure=_against_resnet({"efficientnet_b1": 240}),
        rule=at_least_ratio(5.7),
        control=Control(
            "in B1's place the next smaller network of ResNet-152's own kind",
            _against_resnet({"resnet101": 224}),
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
        measure=_growth(SIZES),
        rule=within(31.6, reproduced=0.2, partly=0.5),
        control=Control(
            "width and depth are scaled, the input stays at 224 x 224",
            _growth({"b1": 224, "b7": 224}),
        ),
        **TABLE,
    ),
)
