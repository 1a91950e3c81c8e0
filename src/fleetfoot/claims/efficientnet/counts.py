"""EfficientNet: the table's counts, and the rule that work doubles with each step of phi.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946: section 3.3 (compound scaling), Table 2 (counts)
"""

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_most, within
from fleetfoot.measure.counts import Counts, count
from fleetfoot.nets.compound_scaling import ALPHA, GAMMA, scaled

PAPER_PARAMS = (5.3e6, 7.8e6, 9.2e6, 12e6, 19e6, 30e6, 43e6, 66e6)
PAPER_MACS = (0.39e9, 0.70e9, 1.0e9, 1.8e9, 4.2e9, 9.9e9, 19e9, 37e9)  # printed as FLOPs
# Width, depth and size of B0 to B7 in the authors' repository.
FACTORS = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300),
           (1.4, 1.8, 380), (1.6, 2.2, 456), (1.8, 2.6, 528), (2.0, 3.1, 600))  # fmt: skip
MEMBERS = {"smoke": range(3), "cpu": range(8)}
PHIS = {"smoke": range(4), "cpu": range(8)}

Scaling = Callable[[int], Mapping[str, float]]
"""Factors on B0 for B's number or for phi."""


def published(number: int, *, fixed: str = "") -> Mapping[str, float]:
    """Return the factors of the repository's table for one of B0 to B7.

    Args:
        number: of the network.
        fixed: a factor that stays that of B0; "" for none.
    """
    width, depth, size = FACTORS[number]
    factors = {"width": width, "depth": depth, "resolution": size / 224}
    return {**factors, fixed: 1.0} if fixed else factors


def compound(phi: int) -> Mapping[str, float]:
    """Return the paper's one number."""
    return {"phi": float(phi)}


def width_left_out(phi: int) -> Mapping[str, float]:
    """Return the factors of `compound` but for the width."""
    return {"depth": ALPHA**phi, "resolution": GAMMA**phi}


same_size, same_width = partial(published, fixed="resolution"), partial(published, fixed="width")


@measured
def worst_deviation(
    setting: Setting, fact: str, paper: tuple[float, ...], scaling: Scaling
) -> Measurement:
    """Return the largest deviation of a count from the table, in per cent.

    Args:
        fact: "params" or "macs".
        paper: the table's column, B0 first.
        scaling: factors of each network.
    """
    counted = [getattr(_counts(scaling, n), fact) for n in MEMBERS[setting.scale]]
    rows: list[dict[str, Any]] = [
        {
            "network": f"B{number}",
            "paper": paper[number],
            fact: ours,
            "deviation_percent": 100 * abs(ours / paper[number] - 1),
        }
        for number, ours in enumerate(counted)
    ]
    return Measurement(value=max(row["deviation_percent"] for row in rows), table=tuple(rows))


@cache
def _counts(scaling: Scaling, number: int) -> Counts:
    factors: dict[str, Any] = dict(scaling(number))
    member = scaled("efficientnet_b0", **factors)
    with torch.device("meta"):
        return count(member.create(), member.input)


@measured
def doubling(setting: Setting, scaling: Scaling) -> Measurement:
    """Return the doublings of work per step of phi: slope of log2(MACs)."""
    rows = [{"phi": phi, "macs": _counts(scaling, phi).macs} for phi in PHIS[setting.scale]]
    phis = [row["phi"] for row in rows]
    logs = [math.log2(row["macs"]) for row in rows]
    return Measurement(value=slope(phis, logs), table=tuple(rows))


def slope(x: list[int], y: list[float]) -> float:
    """Return the slope of the line of least squares.

    >>> slope([0, 1, 2], [1.0, 3.0, 5.0])
    2.0
    """
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    return covariance / sum((a - mean_x) ** 2 for a in x)


EXACT = at_cpu("as published")
COUNTED = (
    "Networks scaled from B0 by the repository's factors, counted from the shapes of a run; the "
    "largest deviation of the eight (smoke: of three). Reproduced within 2.5 %, about the rounding "
    "of figures of two digits; partly within 10 %."
)
TABLE: dict[str, Any] = {
    "paper": "arXiv:1905.11946, Table 2",
    "protocol": COUNTED,
    "unit": "% largest deviation of B0 to B7 from the table",
    "paper_value": 0.0,
    "rule": at_most(2.5, 10.0),
}

CLAIMS = (
    Claim(
        id="efficientnet/params",
        sentence="B0 to B7 have 5.3 to 66 million parameters.",
        measure=worst_deviation("params", PAPER_PARAMS, published),
        control=Control("width is not scaled", worst_deviation("params", PAPER_PARAMS, same_width)),
        **TABLE,
        **EXACT,
    ),
    Claim(
        id="efficientnet/macs",
        sentence="B0 to B7 take 0.39 to 37 billion multiply-accumulates.",
        measure=worst_deviation("macs", PAPER_MACS, published),
        control=Control(
            "the input stays at 224 x 224", worst_deviation("macs", PAPER_MACS, same_size)
        ),
        **TABLE,
        **EXACT,
    ),
    Claim(
        id="efficientnet/compound-doubling",
        paper="arXiv:1905.11946, section 3.3",
        sentence="Each step of phi doubles the work.",
        protocol="B0 scaled by phi = 0 to 7 (0 to 3 at smoke scale) with rounded channels, layers "
        "and sizes; slope of log2(MACs) over phi. The factors give 0.94 without rounding. "
        "Reproduced within 15 %, partly within 25 %.",
        unit="doublings per step of phi",
        paper_value=1.0,
        measure=doubling(compound),
        rule=within(1.0, reproduced=0.15, partly=0.25),
        control=Control("depth and resolution are scaled, width is not", doubling(width_left_out)),
        **EXACT,
    ),
)
