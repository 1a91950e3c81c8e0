"""ShuffleNetV2's guidelines: stacks of layers of equal work whose shapes decide the time.

Paper    Ma et al., ECCV 2018, arXiv:1807.11164, section 2: G1 (Table 1), G2 (Table 2), G4
         (Table 4), maps of 56 x 56; one thread of an ARM core, or a GTX 1080Ti
Departs  layers have neither bias nor norm, and ReLUs in G4 alone. The width of G4's unit is that of
         its input, its inner width a quarter, as the paper's frames per second imply. On a GPU the
         batch is 8; the paper does not give its own
Letters  C channels
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measure, Measurement, Needs, Setting, measured
from fleetfoot.claims.rules import at_least_ratio
from fleetfoot.claims.timing import network_ms, rows_of, times_as_long
from fleetfoot.claims.vovnet.memory import memory_access
from fleetfoot.measure.counts import count

BLOCKS = 10  # of a stack
SIDE, SMOKE_SIDE = 56, 14
BATCH = {"cpu": 1, "cuda": 8}

Block = Callable[[], nn.Module]


def pointwise(in_channels: int, out_channels: int, *, groups: int = 1) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, 1, groups=groups, bias=False)


class Bottleneck(nn.Module):
    """1x1 to a quarter, 3x3, 1x1 back: C to C channels, with or without ReLUs and shortcut."""

    def __init__(self, channels: int, *, elementwise: bool) -> None:
        super().__init__()
        inner = channels // 4
        self.reduce = pointwise(channels, inner)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.expand = pointwise(inner, channels)
        self.elementwise = elementwise

    def forward(self, x: Tensor) -> Tensor:
        if not self.elementwise:
            return self.expand(self.mix(self.reduce(x)))
        return self.expand(self.mix(self.reduce(x).relu_()).relu_()).add_(x).relu_()


def pair(first: int, second: int) -> Block:
    """Return the maker of 1x1 convolutions from ``first`` channels to ``second`` and back."""
    return lambda: nn.Sequential(pointwise(first, second), pointwise(second, first))


def in_groups(channels: int, groups: int) -> Block:
    """Return the maker of a 1x1 convolution in groups."""
    return lambda: pointwise(channels, channels, groups=groups)


def unit(channels: int, *, elementwise: bool) -> Block:
    """Return the maker of a bottleneck unit."""
    return lambda: Bottleneck(channels, elementwise=elementwise)


@measured
def time_ratio(setting: Setting, slow: str, fast: str, blocks: Mapping[str, Block]) -> Measurement:
    """Return one stack's time over another's, among all of ``blocks``."""
    side = SMOKE_SIDE if setting.scale == "smoke" else SIDE
    batch = BATCH[setting.device]
    stacks = {n: nn.Sequential(*(make() for _ in range(BLOCKS))) for n, make in blocks.items()}
    shapes = {name: (_width(stack), side, side) for name, stack in stacks.items()}
    times = network_ms(stacks, shapes, setting, batch=batch)
    counts = {name: count(stack, shapes[name]) for name, stack in stacks.items()}
    rows = rows_of(
        times,
        "stack",
        macs={name: counted.macs for name, counted in counts.items()},
        memory_access={name: memory_access(counted) for name, counted in counts.items()},
    )
    return times_as_long(times[slow], times[fast], table=rows)


def _width(stack: nn.Module) -> int:
    """Return the channels that the first convolution reads."""
    return next(m.in_channels for m in stack.modules() if isinstance(m, nn.Conv2d))


def _balance(one: int, *others: tuple[int, int]) -> dict[str, Block]:
    pairs = ((one, one), *others)
    return {f"{first}:{second}": pair(first, second) for first, second in pairs}


def _groups(*widths: int) -> dict[str, Block]:
    return {f"{2**n} groups": in_groups(width, 2**n) for n, width in enumerate(widths)}


def _elementwise_cost(*, with_elementwise: bool) -> Measure:
    published, bare = "as published", "without ReLUs and shortcut"
    units = {published: unit(64, elementwise=with_elementwise), bare: unit(64, elementwise=False)}
    return time_ratio(published, bare, units)


HOW = (
    "Ten blocks stacked at 56 x 56, batch 1, one thread, torch eager, float32, each stack "
    "in a fresh pinned process, alternating blocks; median of the rounds' ratios. The paper has "
    "images per second on an ARM core. Partly from half of the paper's gain. "
)
HOW_ON_GPU = (
    "Ten blocks stacked at 56 x 56, batch 8, torch eager, float32, every call waits for the "
    "device; medians. The paper has batches per second on a GTX 1080Ti. Partly from half of the "
    "paper's gain. "
)
# The paper's is a core of a phone, in an engine for phones; of the GPU the batch is not known.
ON_CPU: dict[str, Any] = {"footing": {"cpu": "stand-in"}}
ON_GPU: dict[str, Any] = {
    "needs": Needs(device="cuda"),
    "footing": {"gpu": "scaled"},
    "decides_at": ("gpu",),
}
G1: dict[str, Any] = {
    "paper": "arXiv:1807.11164, Table 1",
    "unit": "time at channels 1:12 / time at 1:1",
}
G2: dict[str, Any] = {
    "paper": "arXiv:1807.11164, Table 2",
    "unit": "time in 8 groups / time without",
    "measure": time_ratio("8 groups", "1 groups", _groups(128, 180, 256, 360)),
    "control": Control(
        "groups save work: the width is not raised to keep it",
        time_ratio("8 groups", "1 groups", _groups(128, 128, 128, 128)),
    ),
}
SMALL = ((22, 44), (13, 78), (9, 108))
LARGE = ((90, 180), (52, 312), (36, 432))

CLAIMS = (
    Claim(
        id="shufflenet/g1-balance",
        sentence="At equal work 1x1 convolutions of equal channels in and out are the fastest: "
        "1.32 times as fast as at a ratio of 1 to 12.",
        protocol=f"{HOW}32:32 against 9:108; 22:44 and 13:78 stand in the table.",
        paper_value=1.32,
        measure=time_ratio("9:108", "32:32", _balance(32, *SMALL)),
        rule=at_least_ratio(1.32),
        control=Control(
            "nothing is changed: the balanced stack twice",
            time_ratio("again", "32:32", _balance(32) | {"again": pair(32, 32)}),
        ),
        **G1,
        **ON_CPU,
    ),
    Claim(
        id="shufflenet/g2-groups",
        sentence="At equal work 8 groups make a 1x1 convolution 1.36 times as slow.",
        protocol=f"{HOW}128 channels against 360 in 8 groups (the paper's column x2; its 180 "
        "channels of x1 do not divide by 8); 2 and 4 groups stand in the table.",
        paper_value=1.36,
        rule=at_least_ratio(1.36),
        **G2,
        **ON_CPU,
    ),
    Claim(
        id="shufflenet/g4-elementwise",
        paper="arXiv:1807.11164, Table 4",
        sentence="ReLUs and shortcuts, which no count of MACs sees, make a bottleneck unit 1.2 "
        "times as slow.",
        protocol=f"{HOW}Units of 64 channels; ReLUs and sums work in place.",
        unit="time with ReLUs and shortcut / time without",
        paper_value=1.2,
        measure=_elementwise_cost(with_elementwise=True),
        rule=at_least_ratio(1.2),
        control=Control(
            "nothing is changed: the stack without ReLUs and shortcuts twice",
            _elementwise_cost(with_elementwise=False),
        ),
        **ON_CPU,
    ),
    Claim(
        id="shufflenet/g1-balance-gpu",
        sentence="On a GPU 1x1 convolutions of equal channels are 1.98 times as fast as at a ratio "
        "of 1 to 12.",
        protocol=f"{HOW_ON_GPU}128:128 against 36:432.",
        paper_value=1.98,
        measure=time_ratio("36:432", "128:128", _balance(128, *LARGE)),
        rule=at_least_ratio(1.98),
        control=Control(
            "nothing is changed: the balanced stack twice",
            time_ratio("again", "128:128", _balance(128) | {"again": pair(128, 128)}),
        ),
        **G1,
        **ON_GPU,
    ),
    Claim(
        id="shufflenet/g2-groups-gpu",
        sentence="On a GPU 8 groups make a 1x1 convolution of equal work 3.87 times as slow.",
        protocol=f"{HOW_ON_GPU}128 channels against 360 in 8 groups.",
        paper_value=3.87,
        rule=at_least_ratio(3.87),
        **G2,
        **ON_GPU,
    ),
)
