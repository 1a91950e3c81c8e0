"""Is A faster than B, and do two rankings agree: differences and correlations with intervals.

Source   papers/measuring.md, "Statistics"; percentile bootstrap of Efron (1979), of rounds because
         calls of one round are not independent, its tails widened for few values as Hesterberg
         (2015, "What teachers should know about the bootstrap") does
Letters  R rounds, N items, B resamples
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import UsageError
from fleetfoot.core.seeds import rng

RESAMPLES = 2000
CONFIDENCE = 0.95

Floats = NDArray[np.float64]
Blocks = Sequence[Sequence[float]]
"""Times of one callable, a sequence per block."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much longer A takes than B; below zero A is faster.

    Attributes:
        median_ms: median over rounds of A's block median minus B's, in milliseconds.
        low_ms: lower end of its 95 % interval; `high_ms` is the upper one.
        rounds: pairs of blocks behind it.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    rounds: int

    @property
    def half_width_ms(self) -> float:
        """Half the length of the interval."""
        return (self.high_ms - self.low_ms) / 2

    def told_apart(self, noise_ms: float = 0.0) -> bool:
        """Return whether the interval excludes zero and the median is larger than the noise.

        Args:
            noise_ms: the difference that comparing A with itself in the same way has shown.
        """
        return not self.low_ms <= 0.0 <= self.high_ms and abs(self.median_ms) > noise_ms


def difference(a_ms: Blocks, b_ms: Blocks, *, seed: int = 0) -> Difference:
    """Return how much longer A takes than B, from blocks measured in the same rounds.

    Block r of A and block r of B lie next to each other in time, so that what slowed one slowed
    the other: their difference is one observation, and observations are resampled.

    Args:
        a_ms: blocks of A in order of rounds, such as `Latency.blocks_ms`.
        b_ms: blocks of B. Rounds that only one of them has are left out.
        seed: of the resampling.

    Raises:
        UsageError: fewer than two rounds. Fewer than six cannot carry a full 95 %.
    """
    rounds = min(len(a_ms), len(b_ms))
    if rounds < 2:
        raise UsageError(f"{rounds} rounds: a difference needs at least 2 to have an interval")
    differences_R = np.array([np.median(a) - np.median(b) for a, b in zip(a_ms, b_ms)])
    resampled_BR = differences_R[_draws(rounds, seed, "difference")]
    low, high = _ends(np.median(resampled_BR, axis=1), rounds)
    return Difference(
        median_ms=float(np.median(differences_R)),
        low_ms=low,
        high_ms=high,
        rounds=rounds,
    )


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the rank correlation of two sequences; equal values share their mean rank.

    >>> spearman([1, 2, 3], [10, 20, 15])
    0.5

    Raises:
        UsageError: lengths differ, fewer than two items, or all of one sequence are equal.
    """
    if len(x) != len(y) or len(x) < 2:
        raise UsageError(f"{len(x)} and {len(y)} items: a correlation needs two or more pairs")
    value = _correlation(mean_ranks(x), mean_ranks(y))
    if np.isnan(value):
        raise UsageError("all values of one sequence are equal: their ranks correlate with nothing")
    return round(value, 12)


def spearman_interval(x: Sequence[float], y: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the ends of the 95 % interval of `spearman`, items resampled in pairs.

    Raises:
        UsageError: as `spearman`.
    """
    spearman(x, y)
    x_N, y_N = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    draws_BN = _draws(len(x_N), seed, "spearman")
    values_B = np.array([_correlation(mean_ranks(x_N[d]), mean_ranks(y_N[d])) for d in draws_BN])
    # A resample of one item alone has no correlation.
    return _ends(values_B[~np.isnan(values_B)], len(x_N))


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[Floats], float] = lambda values: float(np.median(values)),
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a statistic of independent values.

    Raises:
        UsageError: fewer than two values.
    """
    if len(values) < 2:
        raise UsageError(f"{len(values)} values: an interval needs at least 2")
    values_N = np.asarray(values, dtype=np.float64)
    draws_BN = _draws(len(values_N), seed, "interval")
    return _ends(np.array([statistic(values_N[draw]) for draw in draws_BN]), len(values_N))


def mean_ranks(values: Sequence[float] | Floats) -> Floats:
    """Return the rank of each value, from 1; equal values share the mean of their ranks.

    >>> mean_ranks([30, 10, 20, 10]).tolist()
    [4.0, 1.5, 3.0, 1.5]
    """
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _correlation(x_N: Floats, y_N: Floats) -> float:
    """Return Pearson's correlation, NaN where one sequence is constant."""
    x, y = x_N - x_N.mean(), y_N - y_N.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")


def _draws(items: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Return the item numbers of every resample, (B, items)."""
    return rng(seed, "bootstrap", purpose).integers(0, items, (RESAMPLES, items))


def _ends(resampled_B: Floats, items: int) -> tuple[float, float]:
    tail = 100 * _tail(items)
    low, high = np.percentile(resampled_B, (tail, 100 - tail))
    return float(low), float(high)


def _tail(items: int) -> float:
    """Return the share to cut from each end, so that few items do not give too short an interval.

    The bootstrap's spread is that of a variance divided by n, and its tails are the normal ones:
    both are put right by taking the normal share that lies beyond t * sqrt(n / (n - 1)).
    """
    z, freedom = NormalDist().inv_cdf((1 + CONFIDENCE) / 2), items - 1
    # Student's t from the normal quantile, to order 1 / freedom**2 (Abramowitz and Stegun 26.7.5).
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return NormalDist().cdf(-t * math.sqrt(items / freedom))
