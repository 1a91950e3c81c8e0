"""FasterNet: the forms in which a partial convolution can be run, and what they cost.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, section 3.3 and Table 1
Letters  C channels
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, measured
from fleetfoot.claims.fasternet.layers import (
    LAYERS,
    ON_CPU,
    Layer,
    best_of_each_map,
    grouped,
    ratio_of_mean_rates,
    ratio_of_times,
    stacks,
    table,
)
from fleetfoot.claims.rules import at_least_ratio, at_most

BOTH_LAYOUTS = ("nchw", "nhwc")


class Slicing(nn.Module):
    """The paper's form for inference: the result is written into a copy of the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixed = channels // 4
        self.conv = grouped(1)(self.mixed)

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y[:, : self.mixed] = self.conv(x[:, : self.mixed])
        return y


class InPlace(Slicing):
    """Write over the input, of which a quarter is kept for the shortcut, as a block needs it.

    The filters hand the quarter through: however often the input is written over, its values stay
    what they were and do not fade to denormal numbers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        nn.init.dirac_(self.conv.get_parameter("weight"))

    def forward(self, x: Tensor) -> Tensor:
        kept = x[:, : self.mixed].clone()
        x[:, : self.mixed] = self.conv(kept)
        return x


class Quarter(Slicing):
    """What a partial convolution would cost if the untouched channels were free."""

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x[:, : self.mixed])  # of C channels in the first layer, then of C / 4


class NothingUntouched(Slicing):
    """PConv's idea broken: the other channels get a convolution of their own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        rest = channels - self.mixed
        self.other = grouped(1)(rest)

    def forward(self, x: Tensor) -> Tensor:
        head, rest = x.split([self.mixed, x.shape[1] - self.mixed], dim=1)
        return torch.cat((self.conv(head), self.other(rest)), dim=1)


PCONV_FORMS: dict[str, Layer] = {
    "pconv": LAYERS["pconv"],
    "pconv slicing": Slicing,
    "pconv in place": InPlace,
}


@measured
def best_against_best(setting: Setting, forms: Mapping[str, Layer]) -> Measurement:
    """Return the best form and layout over depthwise in its best layout."""
    layers = {**forms, "dwconv": LAYERS["dwconv"]}
    timed = stacks(layers, setting, layouts=BOTH_LAYOUTS)
    fast, slow = best_of_each_map(timed, *forms), best_of_each_map(timed, "dwconv")
    return ratio_of_mean_rates(fast, slow, table=table(timed))


@measured
def over_quarter(setting: Setting, name: str, layer: Layer) -> Measurement:
    """Return a layer's time over that of the bare quarter's convolution."""
    return ratio_of_times(stacks({name: layer, "quarter": Quarter}, setting), name, "quarter")


CLAIMS = (
    Claim(
        id="fasternet/table1-best-forms",
        paper="ours, after arXiv:2303.03667v3, Table 1, CPU",
        sentence="A partial convolution works at 6.2 times the rate of a depthwise one, each in "
        "its fastest form and layout.",
        protocol=f"{ON_CPU} Here PConv is the fastest of three forms (concatenating, into a copy, "
        "in place with the quarter kept) in both layouts, DWConv in the faster layout; the paper "
        "compares one form in the default layout; that its figure holds between the fastest is our "
        "sentence.",
        unit="mean FLOPS of PConv / mean FLOPS of DWConv",
        paper_value=6.2,
        measure=best_against_best(PCONV_FORMS),
        rule=at_least_ratio(6.2),
        control=Control(
            "the quarter of the channels is convolved depthwise instead of densely",
            best_against_best({"partial dwconv": LAYERS["partial dwconv"]}),
        ),
        footing={"cpu": "as published"},
    ),
    Claim(
        id="fasternet/untouched-channels",
        paper="ours, after arXiv:2303.03667v3, section 3.3",
        sentence="The channels that a partial convolution leaves untouched cost nothing.",
        protocol=f"{ON_CPU} The paper counts no access to the untouched channels; their cost is "
        "the time of PConv over that of ten convolutions of a quarter of the channels alone. That "
        "they cost no time is our sentence.",
        unit="time of PConv / time of its convolution alone, geometric mean over maps",
        paper_value=1.0,
        measure=over_quarter("pconv", LAYERS["pconv"]),
        # free within a tenth; noticeable, but less than half as much again
        rule=at_most(1.1, 1.5),
        control=Control(
            "the other channels get a 3x3 convolution of their own",
            over_quarter("nothing untouched", NothingUntouched),
        ),
        footing={"cpu": "as published"},
    ),
)
