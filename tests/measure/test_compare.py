"""Intervals against known distributions, and rank correlations worked out by hand."""

import numpy as np
import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.compare import (
    bootstrap_interval,
    difference,
    mean_ranks,
    spearman,
    spearman_interval,
)


def blocks(generator: np.random.Generator, drift: np.ndarray, *, scale: float = 1.0) -> list:
    """Times around one millisecond that drift from round to round, with a few late ones."""
    late = (generator.random((len(drift), 5)) < 0.05) * generator.exponential(0.5, (len(drift), 5))
    wobble = generator.normal(0, 0.02, (len(drift), 1)) + generator.normal(0, 0.03, late.shape)
    return (scale * (1 + drift[:, None] + wobble + late)).tolist()


def test_the_interval_contains_zero_for_equals_and_excludes_it_for_ten_per_cent():
    generator = np.random.default_rng(0)
    same = apart = 0
    for repeat in range(100):
        drift = np.cumsum(generator.normal(0, 0.02, 20))
        a, b = blocks(generator, drift), blocks(generator, drift)
        slow = blocks(generator, drift, scale=1.1)
        same += not difference(a, b, seed=repeat).told_apart()
        apart += difference(slow, a, seed=repeat).told_apart()
    assert 0.92 <= same / 100 <= 1.0
    assert apart / 100 >= 0.98


def test_a_difference_is_taken_round_by_round():
    """The machine slows down tenfold half-way: only differences within a round stay the same."""
    a = [[2.0, 2.0, 2.0]] * 5 + [[20.0, 20.0]] * 5
    b = [[1.0, 1.0]] * 5 + [[19.0]] * 5
    found = difference(a, b)
    assert (found.median_ms, found.low_ms, found.high_ms) == (1.0, 1.0, 1.0)
    assert (found.rounds, found.half_width_ms) == (10, 0.0)
    assert found.told_apart()
    assert not found.told_apart(noise_ms=1.5)
    assert difference(b, a).median_ms == -1.0


def test_a_difference_is_repeatable_and_needs_rounds():
    a, b = [[1.0], [2.0], [3.0]], [[1.5], [1.0], [2.5]]
    assert difference(a, b, seed=3) == difference(a, b, seed=3)
    with pytest.raises(UsageError, match="at least 2"):
        difference([[1.0]], [[2.0]])


def test_rank_correlation_by_hand():
    # 1 - 6 * sum(d^2) / (n (n^2 - 1)) with rank differences 1, 1, 2, 0, 0
    assert spearman([1, 2, 3, 4, 5], [2, 3, 1, 40, 50]) == pytest.approx(1 - 36 / 120)
    assert spearman([1, 2, 3], [9, 4, 1]) == -1.0
    assert mean_ranks([5.0, 5.0, 1.0, 5.0]).tolist() == [3.0, 3.0, 1.0, 3.0]
    # ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_rank_correlation_refuses_what_has_no_ranks():
    with pytest.raises(UsageError, match="two or more pairs"):
        spearman([1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="all values"):
        spearman([1, 1, 1], [1, 2, 3])


def test_the_interval_of_a_correlation_lies_around_it():
    generator = np.random.default_rng(1)
    x = generator.normal(size=30)
    y = x + generator.normal(size=30)
    low, high = spearman_interval(x.tolist(), y.tolist(), 0)
    assert -1 <= low < spearman(x.tolist(), y.tolist()) < high <= 1
    # Fisher's z for the same correlation, an independent approximation of the same width
    width = 2 * 1.96 * 1.06 / np.sqrt(27) * (1 - spearman(x.tolist(), y.tolist()) ** 2)
    assert high - low == pytest.approx(width, rel=0.5)
    assert spearman_interval([1, 2], [3, 4]) == (1.0, 1.0)


def test_an_interval_covers_the_truth_of_a_mean():
    generator = np.random.default_rng(2)
    inside = 0
    for repeat in range(60):
        low, high = bootstrap_interval(
            generator.normal(size=8).tolist(), lambda v: float(v.mean()), seed=repeat
        )
        inside += low <= 0 <= high
    assert inside / 60 >= 0.9  # without the wider tails of few values it is 0.87
    with pytest.raises(UsageError, match="at least 2"):
        bootstrap_interval([1.0])
