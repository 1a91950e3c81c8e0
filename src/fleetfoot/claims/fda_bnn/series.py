"""FDA-BNN: a few sines come near the sign, and their slope costs the same however many they are.

Paper    Xu et al., NeurIPS 2021, arXiv:2103.00841, section 3.1; the errors of the series were
         computed for the sheet, and the cost that does not grow is ours: the paper's grows
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_most
from fleetfoot.claims.timing import operator_ms, rows_of, times_as_long
from fleetfoot.core.machine_lock import measuring
from fleetfoot.ops.sign import sign
from fleetfoot.ops.sine_series import PERIOD, sine_series, sine_slope

ERRORS = {0: 0.18943, 1: 0.09937, 4: 0.04040, 9: 0.02025, 18: 0.01066}
POINTS = 20_000
FEW, MANY = 2, 34  # n of the slopes that are timed
SIZE = {"smoke": 1_000, "cpu": 200_000}
Slope = Callable[[Tensor, int], Tensor]


def direct_slope(t: Tensor, n: int) -> Tensor:
    """Return the slope as the paper writes it, a sum of cosines."""
    w = 2 * math.pi / PERIOD
    odd = [2 * i + 1 for i in range(n + 1)]
    return 4 * w / math.pi * torch.stack([torch.cos(k * w * t) for k in odd]).sum(dim=0)


@measured
def worst_error(_: Setting, *, period: float = PERIOD) -> Measurement:
    """Return how far mean square errors of the series are from those of the sheet, in per cent.

    Args:
        period: of the series; that of the sign it is compared with stays.
    """
    t = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS * PERIOD - PERIOD / 2
    rows = [
        {
            "n": n,
            "paper": paper,
            "ours": (sine_series(t, n, period=period) - sign(t)).square().mean().item(),
        }
        for n, paper in ERRORS.items()
    ]
    worst = max(100 * abs(row["ours"] / row["paper"] - 1) for row in rows)
    return Measurement(value=worst, table=tuple(rows))


@measured
def more_time(setting: Setting, slope: Slope) -> Measurement:
    """Return how many times as long the slope of 35 sines takes as that of 3."""
    t = torch.randn(SIZE[setting.scale], generator=torch.Generator().manual_seed(0))
    calls = {"35 sines": lambda: slope(t, MANY), "3 sines": lambda: slope(t, FEW)}
    with measuring(setting.listener):
        times = operator_ms(calls, setting)
    table = rows_of(times, "slope")
    return times_as_long(times["35 sines"], times["3 sines"], table=table)


CLAIMS = (
    Claim(
        id="fdabnn/series-error",
        paper="arXiv:2103.00841, section 3.1",
        sentence="The mean square error of the first sines to the sign falls as "
        "1 - 8 / pi^2 sum 1 / (2 i + 1)^2: from 0.19 with one to 0.02 with ten.",
        protocol="The series in float64 at 20,000 places of a period; the largest deviation from "
        "the sheet's errors at n = 0, 1, 4, 9 and 18.",
        unit="% largest deviation of five errors",
        paper_value=0.0,
        measure=worst_error(),
        rule=at_most(0.5, 5.0),
        control=Control("the period of the sines is 5 % longer", worst_error(period=1.05 * PERIOD)),
        **at_cpu("as published"),
    ),
    Claim(
        id="fdabnn/cost-of-sines",
        paper="ours, after arXiv:2103.00841, section 4.3: time grows with the number of sines",
        sentence="Summed in closed form, 35 sines cost no more than 3.",
        protocol="The slope of 200,000 numbers, one thread, blocks in turn. The same is called "
        "what takes at most 1.15 times as long, partly what takes at most 1.5 times.",
        unit="times as long",
        paper_value=1.0,
        measure=more_time(sine_slope),
        rule=at_most(1.15, 1.5),
        control=Control("the sum of cosines, as the paper writes it", more_time(direct_slope)),
        **at_cpu("stand-in"),
    ),
)
