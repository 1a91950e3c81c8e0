"""FasterNet, Table 1: ten stacked layers of one operator, and the rate at which each works.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 1
Departs  GFLOPS here are 2 x MACs, the paper's are MACs; ratios are the same
Letters  C channels
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Measurement, Needs, Setting, at_least, at_least_ratio
from fleetfoot.claims.timing import network_call, operator_ms
from fleetfoot.measure.counts import count
from fleetfoot.ops.partial_conv import PartialConv2d

DEPTH = 10
SHAPES = ((96, 56), (192, 28), (384, 14), (768, 7))  # channels, side of the map
SMOKE_SHAPES = ((32, 8), (64, 4))
BATCH = {"cpu": 1, "cuda": 32}

Layer = Callable[[int], nn.Module]
Rows = tuple[Mapping[str, Any], ...]


def grouped(groups: int) -> Layer:
    """Return the maker of a 3x3 convolution in so many groups; 0 stands for depthwise."""
    return lambda channels: nn.Conv2d(
        channels, channels, 3, padding=1, groups=groups or channels, bias=False
    )


class PartialDepthwise(nn.Module):
    """PConv's idea broken: the quarter of the channels is convolved depthwise, not densely."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixed = channels // 4
        self.conv = grouped(0)(self.mixed)

    def forward(self, x: Tensor) -> Tensor:
        head, rest = x.split([self.mixed, x.shape[1] - self.mixed], dim=1)
        return torch.cat((self.conv(head), rest), dim=1)


LAYERS: dict[str, Layer] = {
    "conv": grouped(1),
    "pconv": PartialConv2d,
    "gconv": grouped(16),
    "dwconv": grouped(0),
    "partial dwconv": PartialDepthwise,
    "pconv of all": lambda channels: PartialConv2d(channels, divisor=1),
    "pointwise": lambda channels: nn.Conv2d(channels, channels, 1, bias=False),
}


def rates(
    layers: Mapping[str, Layer], setting: Setting, *, layouts: Sequence[str] = ("nchw",)
) -> Rows:
    """Return time and rate of ten stacked layers of each kind, at each map and layout."""
    rows: list[Mapping[str, Any]] = []
    for channels, side in SMOKE_SHAPES if setting.scale == "smoke" else SHAPES:
        shape = (channels, side, side)
        stacks = {
            (name, layout): nn.Sequential(*(layer(channels) for _ in range(DEPTH)))
            for name, layer in layers.items()
            for layout in layouts
        }
        rows += _timed(stacks, shape, setting)
    return tuple(rows)


def _timed(
    stacks: Mapping[tuple[str, str], nn.Module], shape: tuple[int, ...], setting: Setting
) -> Iterable[Mapping[str, Any]]:
    batch = BATCH[setting.device]
    macs = {key: count(stack, shape).macs for key, stack in stacks.items()}
    calls = {
        " ".join(key): network_call(stack, (batch, *shape), setting.device, layout=key[1])
        for key, stack in stacks.items()
    }
    times = operator_ms(calls, setting)
    for name, layout in stacks:
        latency = times[f"{name} {layout}"]
        yield {
            "operator": name,
            "layout": layout,
            "map": "x".join(map(str, shape)),
            "macs": macs[name, layout],
            "latency_ms_p50": latency.ms_p50,
            "latency_ms_iqr": latency.ms_iqr,
            "gflops": 2 * macs[name, layout] * batch / latency.ms_p50 / 1e6,
        }


def mean_gflops(rows: Rows, operators: Iterable[str]) -> float:
    """Return the mean over maps of the best rate of some operators, in whatever layout."""
    names = set(operators)
    best: dict[str, float] = {}
    for row in rows:
        if row["operator"] in names:
            best[row["map"]] = max(row["gflops"], best.get(row["map"], 0.0))
    return sum(best.values()) / len(best)


def rate_ratio(fast: str, slow: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of one operator's mean rate over another's."""

    def measured(setting: Setting) -> Measurement:
        rows = rates({name: LAYERS[name] for name in (fast, slow)}, setting)
        return Measurement(value=mean_gflops(rows, [fast]) / mean_gflops(rows, [slow]), table=rows)

    return measured


def narrowest_step(*order: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of the least ratio of neighbours in an order of falling mean rates."""

    def measured(setting: Setting) -> Measurement:
        rows = rates({name: LAYERS[name] for name in order}, setting)
        means = [mean_gflops(rows, [name]) for name in order]
        return Measurement(
            value=min(high / low for high, low in itertools.pairwise(means)), table=rows
        )

    return measured


def time_ratio(slow: str, fast: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many times as long one takes, geometric mean over maps."""

    def measured(setting: Setting) -> Measurement:
        rows = rates({name: LAYERS[name] for name in (slow, fast)}, setting)
        return Measurement(value=geometric_mean_of_times(rows, slow, fast), table=rows)

    return measured


def geometric_mean_of_times(rows: Rows, slow: str, fast: str) -> float:
    """Return the geometric mean over maps of the time of ``slow`` over that of ``fast``."""
    ms = {(row["operator"], row["map"]): row["latency_ms_p50"] for row in rows}
    logs = [math.log(ms[slow, shape] / ms[fast, shape]) for name, shape in ms if name == fast]
    return math.exp(sum(logs) / len(logs))


PAPER = "arXiv:2303.03667v3, Table 1"
MAPS = "maps 96x56x56, 192x28x28, 384x14x14, 768x7x7"
ON_CPU = (
    f"Ten stacked layers, {MAPS}, batch 1, one thread, float32, default layout, torch eager, all "
    "stacks in alternating blocks; PConv splits and concatenates. The paper times an i9-9900X."
)
ON_GPU = (
    f"As on the CPU, but batch 32 on an accelerator, float32 without TF32 (the paper times a "
    f"2080Ti), {MAPS}; every call waits for the device."
)
CPU: dict[str, Any] = {"paper": f"{PAPER}, CPU", "protocol": ON_CPU}
GPU: dict[str, Any] = {
    "paper": f"{PAPER}, GPU",
    "protocol": ON_GPU,
    "needs": Needs(device="cuda"),
    "scales": ("gpu",),
    "decides_at": ("gpu",),
}
RATE: dict[str, Any] = {
    "unit": "mean FLOPS of PConv / mean FLOPS of DWConv",
    "measure": rate_ratio("pconv", "dwconv"),
    "control": rate_ratio("partial dwconv", "dwconv"),
    "control_sentence": "the quarter of the channels is convolved depthwise instead of densely",
}
ORDER: dict[str, Any] = {
    "sentence": "Rates of work fall in the order Conv, PConv, GConv of 16 groups, DWConv.",
    "unit": "narrowest step: mean FLOPS / mean FLOPS of the next in the order",
    "measure": narrowest_step("conv", "pconv", "gconv", "dwconv"),
    # The paper claims an order: a step that is smaller than a tenth is called a tie here.
    "verdict": at_least(1.1, 1.0),
    "control": narrowest_step("conv", "partial dwconv", "gconv", "dwconv"),
    "control_sentence": "PConv's quarter of the channels is convolved depthwise",
}

CLAIMS = (
    Claim(
        id="fasternet/table1-cpu",
        sentence="A partial convolution works at 6.2 times the rate of a depthwise one.",
        paper_value=6.2,
        verdict=at_least_ratio(6.2),
        **CPU,
        **RATE,
    ),
    Claim(id="fasternet/table1-cpu-order", paper_value=1.54, **CPU, **ORDER),
    Claim(
        id="fasternet/table1-cpu-time",
        sentence="A partial convolution takes a ninth of the time of the full one, for a "
        "sixteenth of its work.",
        unit="time of Conv / time of PConv, geometric mean over maps",
        paper_value=9.0,
        measure=time_ratio("conv", "pconv"),
        verdict=at_least_ratio(9.0),
        control=time_ratio("conv", "pconv of all"),
        control_sentence="the partial convolution takes all channels",
        **CPU,
    ),
    Claim(
        id="fasternet/table1-gpu",
        sentence="On a GPU a partial convolution works at 10.5 times the rate of a depthwise one.",
        paper_value=10.5,
        verdict=at_least_ratio(10.5),
        **GPU,
        **RATE,
    ),
    Claim(id="fasternet/table1-gpu-order", paper_value=1.79, **GPU, **ORDER),
)
