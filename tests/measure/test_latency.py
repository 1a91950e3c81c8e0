import time

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.latency import (
    Schedule,
    measure_blocks,
    measure_interleaved,
    summarise,
    timed_block,
)

QUICK = Schedule(min_samples=6, min_seconds=0.0, rounds=3, warm_up_seconds=0.0)


def test_statistics_of_known_times():
    latency = summarise([[1.0, 2.0, 3.0], [4.0, 5.0]], first_call_ms=9.0)
    assert (latency.ms_p50, latency.ms_min, latency.samples) == (3.0, 1.0, 5)
    assert latency.ms_iqr == 2.0
    assert latency.blocks_ms == ((1.0, 2.0, 3.0), (4.0, 5.0))
    assert latency.first_call_ms == 9.0


def test_a_percentile_needs_a_sample_beyond_it():
    assert summarise([range(1, 10)]).ms_p90 is None
    assert summarise([range(1, 11)]).ms_p90 == pytest.approx(9.1)
    assert summarise([range(1, 100)]).ms_p99 is None
    assert summarise([range(1, 101)]).ms_p99 == pytest.approx(99.01)


def test_a_block_answers_within_ten_seconds():
    longest = 0

    def block(count: int) -> list[float]:
        nonlocal longest
        longest = max(longest, count)
        return [100.0] * count

    schedule = Schedule(min_samples=1000, rounds=2, warm_up_seconds=0.0, max_seconds=1e6)
    assert measure_blocks({"slow": block}, schedule)["slow"].samples == 1000
    assert longest == 100


def test_noise_is_the_spread_of_block_medians():
    # medians 1, 2, 3: quartiles 1.5 and 2.5, median 2
    assert summarise([[1.0], [2.0], [3.0]]).noise == pytest.approx(0.5)
    assert summarise([[1.0, 5.0, 9.0]]).noise is None


def test_sleeping_twice_as_long_takes_longer():
    latency = measure_interleaved(
        {"short": lambda: time.sleep(0.001), "long": lambda: time.sleep(0.004)}, QUICK
    )
    assert 1.0 <= latency["short"].ms_p50 < latency["long"].ms_p50
    assert latency["long"].samples >= 6


def test_the_first_call_is_kept_apart():
    calls = 0

    def block(count: int) -> list[float]:
        nonlocal calls
        first = [100.0] if calls == 0 else []
        calls += count
        return [*first, *[1.0] * (count - len(first))]

    latency = measure_blocks({"one": block}, QUICK)["one"]
    assert latency.first_call_ms == 100.0
    assert latency.blocks_ms == ((1.0, 1.0),) * 3


def test_blocks_are_interleaved_in_random_order():
    order: list[str] = []

    def block(name: str):
        def run(count: int) -> list[float]:
            order.append(name)
            return [1.0] * count

        return run

    schedule = Schedule(min_samples=1, min_seconds=0.0, rounds=20, warm_up_seconds=0.0)
    measure_blocks({name: block(name) for name in "abc"}, schedule)
    rounds = ["".join(order[i : i + 3]) for i in range(3, len(order), 3)]
    assert len(rounds) == 20
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 1


def test_a_block_that_fails_is_left_out_and_the_others_go_on():
    calls = 0

    def dying(count: int) -> list[float]:
        nonlocal calls
        calls += 1
        return [] if calls > 2 else [1.0] * count

    latency = measure_blocks({"dying": dying, "sound": timed_block(lambda: None)}, QUICK)
    assert set(latency) == {"sound"}
    assert calls == 3


def test_a_block_that_never_starts_is_left_out():
    assert measure_blocks({"dead": lambda _: []}, QUICK) == {}


def test_warming_up_ends_once_blocks_agree():
    counts: list[int] = []

    def block(count: int) -> list[float]:
        counts.append(count)
        return [1.0] * count

    schedule = Schedule(min_samples=1, min_seconds=0.0, rounds=1, warm_up_seconds=100.0)
    measure_blocks({"steady": block}, schedule)
    assert counts == [2, 20, 20, 20, 20, 1]


def test_slow_callables_stop_at_the_limit():
    schedule = Schedule(
        min_samples=1000, min_seconds=0.0, rounds=2, warm_up_seconds=0.0, max_seconds=1.0
    )
    latency = measure_blocks({"slow": lambda count: [500.0] * count}, schedule)["slow"]
    assert latency.samples == 2


def test_nothing_to_measure_is_refused():
    with pytest.raises(UsageError, match="nothing to measure"):
        measure_interleaved({})
