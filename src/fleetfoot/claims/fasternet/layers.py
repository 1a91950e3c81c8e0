"""FasterNet, Table 1: ten stacked layers of one operator, and the rate at which each works.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 1
Departs  GFLOPS here are 2 x MACs, the paper's are MACs; ratios are the same
Letters  C channels
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, geometric_mean
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting, measured
from fleetfoot.claims.rules import at_least, at_least_ratio
from fleetfoot.claims.timing import Rows, columns, median_ratio, network_ms, round_ms
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import Latency
from fleetfoot.ops.partial_conv import PartialConv2d

DEPTH = 10
SHAPES = ((96, 56), (192, 28), (384, 14), (768, 7))  # channels, side of the map
SMOKE_SHAPES = ((32, 8), (64, 4))
BATCH = {"cpu": 1, "cuda": 32}

Layer = Callable[[int], nn.Module]


class Timed(NamedTuple):
    """A stack of one operator, timed on one map."""

    operator: str
    layout: str
    map: str
    flops: int  # of a call, 2 x MACs
    latency: Latency

    @property
    def gflops(self) -> float:
        """The rate at which it works."""
        return self.flops / self.latency.ms_p50 / 1e6


def grouped(groups: int) -> Layer:
    """Return the maker of a 3x3 convolution in groups; 0 stands for depthwise."""
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


def stacks(
    layers: Mapping[str, Layer], setting: Setting, *, layouts: Sequence[str] = ("nchw",)
) -> tuple[Timed, ...]:
    """Return ten stacked layers of each kind, timed side by side on each map in each layout."""
    shapes = SMOKE_SHAPES if setting.scale == "smoke" else SHAPES
    return tuple(
        stack
        for channels, side in shapes
        for stack in _on_one_map(layers, (channels, side, side), setting, layouts)
    )


def _on_one_map(
    layers: Mapping[str, Layer], shape: tuple[int, ...], setting: Setting, layouts: Sequence[str]
) -> Iterator[Timed]:
    keys = [(name, layout) for name in layers for layout in layouts]
    nets = {
        f"{name} {layout}": nn.Sequential(*(layers[name](shape[0]) for _ in range(DEPTH)))
        for name, layout in keys
    }
    batch, layout_of = BATCH[setting.device], {key: key.split()[-1] for key in nets}
    times = network_ms(nets, shape, setting, batch=batch, layout=layout_of)
    for (name, layout), (key, net) in zip(keys, nets.items(), strict=True):
        flops = 2 * batch * count(net, shape).macs
        yield Timed(name, layout, "x".join(map(str, shape)), flops, times[key])


def table(timed: Sequence[Timed]) -> Rows:
    """Return a row of work, time and rate for each stack."""
    return tuple(
        {
            "operator": stack.operator,
            "layout": stack.layout,
            "map": stack.map,
            "macs": stack.flops // 2,
            **columns(stack.latency),
            "gflops": stack.gflops,
        }
        for stack in timed
    )


def best_of_each_map(timed: Sequence[Timed], *operators: str) -> list[Timed]:
    """Return the stack of the highest rate on each map, among operators and layouts."""
    best: dict[str, Timed] = {}
    for stack in timed:
        if stack.operator in operators:
            best[stack.map] = max(stack, best.get(stack.map, stack), key=lambda one: one.gflops)
    return list(best.values())


def ratio_of_mean_rates(
    fast: Sequence[Timed], slow: Sequence[Timed], *, table: Rows = ()
) -> Measurement:
    """Return the mean rate over maps of some stacks over that of others, round by round."""

    def mean_rates(timed: Sequence[Timed]) -> list[float]:
        rates = [[stack.flops / ms for ms in round_ms(stack.latency)] for stack in timed]
        return [fmean(of_round) for of_round in zip(*rates)]

    return median_ratio(mean_rates(fast), mean_rates(slow), table=table)


def ratio_of_times(timed: Sequence[Timed], slow: str, fast: str) -> Measurement:
    """Return how many times as long one operator takes, geometric mean over maps, by rounds."""

    def mean_times(operator: str) -> list[float]:
        chosen = (round_ms(stack.latency) for stack in timed if stack.operator == operator)
        return [geometric_mean(of_round) for of_round in zip(*chosen)]

    return median_ratio(mean_times(slow), mean_times(fast), table=table(timed))


@measured
def narrowest_step(setting: Setting, *order: str) -> Measurement:
    """Return the least ratio of neighbours in an order of falling mean rates.

    The interval is that of the step that is the least; of two operators it is their ratio.
    """
    timed = stacks({name: LAYERS[name] for name in order}, setting)
    rates = [best_of_each_map(timed, name) for name in order]
    steps = [
        ratio_of_mean_rates(fast, slow, table=table(timed))
        for fast, slow in itertools.pairwise(rates)
    ]
    return min(steps, key=lambda step: step.value)


@measured
def time_ratio(setting: Setting, slow: str, fast: str) -> Measurement:
    """Return how many times as long one takes, geometric mean over maps."""
    return ratio_of_times(stacks({n: LAYERS[n] for n in (slow, fast)}, setting), slow, fast)


PAPER = "arXiv:2303.03667v3, Table 1"
MAPS = "maps 96x56x56, 192x28x28, 384x14x14, 768x7x7"
ON_CPU = (
    f"Ten stacked layers, {MAPS}, batch 1, one thread, float32, default layout, torch eager, a "
    "fresh pinned process for each stack, those of one map in alternating blocks; median of the "
    "rounds' ratios. PConv splits and concatenates. The paper times an i9-9900X."
)
ON_GPU = (
    f"As on the CPU, but batch 32 on an accelerator, float32 without TF32 (the paper times a "
    f"2080Ti), {MAPS}; every call waits for the device."
)
CPU: dict[str, Any] = {
    "paper": f"{PAPER}, CPU",
    "protocol": ON_CPU,
    "footing": {"cpu": "as published"},
}
GPU: dict[str, Any] = {
    "paper": f"{PAPER}, GPU",
    "protocol": ON_GPU,
    "needs": Needs(device="cuda"),
    "footing": {"gpu": "as published"},
    "decides_at": ("gpu",),
}
RATE: dict[str, Any] = {
    "unit": "mean FLOPS of PConv / mean FLOPS of DWConv",
    "measure": narrowest_step("pconv", "dwconv"),
    "control": Control(
        "the quarter of the channels is convolved depthwise instead of densely",
        narrowest_step("partial dwconv", "dwconv"),
    ),
}
ORDER: dict[str, Any] = {
    "sentence": "Rates of work fall in the order Conv, PConv, GConv of 16 groups, DWConv.",
    "unit": "narrowest step: mean FLOPS / mean FLOPS of the next in the order",
    "measure": narrowest_step("conv", "pconv", "gconv", "dwconv"),
    # The paper claims an order: a step that is smaller than a tenth is called a tie here.
    "rule": at_least(1.1, 1.0),
    "control": Control(
        "PConv's quarter of the channels is convolved depthwise",
        narrowest_step("conv", "partial dwconv", "gconv", "dwconv"),
    ),
}

CLAIMS = (
    Claim(
        id="fasternet/table1-cpu",
        sentence="A partial convolution works at 6.2 times the rate of a depthwise one.",
        paper_value=6.2,
        rule=at_least_ratio(6.2),
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
        rule=at_least_ratio(9.0),
        control=Control(
            "nothing is changed: a partial convolution of all channels is the full one",
            time_ratio("conv", "pconv of all"),
        ),
        **CPU,
    ),
    Claim(
        id="fasternet/table1-gpu",
        sentence="On a GPU a partial convolution works at 10.5 times the rate of a depthwise one.",
        paper_value=10.5,
        rule=at_least_ratio(10.5),
        **GPU,
        **RATE,
    ),
    Claim(id="fasternet/table1-gpu-order", paper_value=1.79, **GPU, **ORDER),
)
