"""Latency of callables, measured in interleaved blocks.

A block is a run of consecutive calls of one callable. Blocks of all callables are drawn in random
order, round after round, so that a slow minute of the machine falls on all of them alike.

Source   papers/measuring.md: warm-up until blocks agree, blocks in random order over at least
         three rounds, medians with spread, cold start apart
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import UsageError
from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.seeds import rng

_BLOCK_MS = 20.0
_LONGEST_BLOCK_MS = 10_000.0  # a block that runs in another process must answer in time

Block = Callable[[int], Sequence[float]]
"""Run this many calls and return the milliseconds of each; nothing at all after a failure."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Times of one callable, in milliseconds.

    Attributes:
        ms_p50: median.
        ms_p90: nine calls in ten are quicker; None with fewer than `samples_for(0.9)` samples.
        ms_p99: 99 in a hundred are; None with fewer than `samples_for(0.99)` samples.
        ms_iqr: distance between the quartiles of all samples.
        ms_min: the quickest call.
        samples: how many calls were timed after warming up.
        first_call_ms: the very first call, which fills caches and allocates.
        noise: relative spread (quartile distance over median) of the medians of the blocks of this
            one process; two processes differ by more. None with one block.
        settled: whether blocks agreed before timing began; None where nobody looked.
        blocks_ms: every sample, block by block in the order of rounds, for `compare.difference`.
    """

    ms_p50: float
    ms_p90: float | None
    ms_p99: float | None
    ms_iqr: float
    ms_min: float
    samples: int
    first_call_ms: float
    noise: float | None
    settled: bool | None = None
    blocks_ms: tuple[tuple[float, ...], ...] = field(default=(), repr=False)

    @property
    def remark(self) -> str | None:
        """What to say of times that had not settled; None if there is nothing to say."""
        return "blocks did not agree before warming up ended" if self.settled is False else None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long to measure.

    Attributes:
        min_samples: calls per callable, at least.
        min_seconds: time per callable, at least.
        rounds: blocks per callable, at least.
        warm_up_seconds: most time spent until five blocks of a callable agree within 2 %; where
            they do not, timing begins all the same and `Latency.settled` is False.
        max_seconds: a callable so slow that it needs longer for `min_samples` stops here.
        seed: of the random order.
    """

    min_samples: int = 50
    min_seconds: float = 1.0
    rounds: int = 5
    warm_up_seconds: float = 2.0
    max_seconds: float = 10.0
    seed: int = 0


def measure_interleaved(
    callables: Mapping[str, Callable[[], Any]], schedule: Schedule | None = None
) -> dict[str, Latency]:
    """Return the latency of each callable; see `measure_blocks`."""
    return measure_blocks(
        {name: timed_block(call) for name, call in callables.items()}, schedule or Schedule()
    )


@measuring()
def measure_blocks(blocks: Mapping[str, Block], schedule: Schedule) -> dict[str, Latency]:
    """Warm every block up, then run blocks in random order until each has enough samples.

    Args:
        blocks: what to measure, by name; a block may run in another process. One that returns
            no times has failed: it is not run again and is left out of the result.
        schedule: how long.

    Raises:
        UsageError: nothing to measure.
    """
    if not blocks:
        raise UsageError("nothing to measure: give at least one callable")
    runs = {name: _Run(block) for name, block in blocks.items()}
    for run in runs.values():
        run.warm_up(schedule)
    generator = rng(schedule.seed, "blocks")
    names = list(runs)
    while any(not run.done(schedule) for run in runs.values()):
        for index in generator.permutation(len(names)):
            runs[names[index]].step(schedule)
    return {
        name: summarise(run.times, first_call_ms=run.first_call_ms, settled=run.settled)
        for name, run in runs.items()
        if not run.failed
    }


def timed_block(call: Callable[[], Any]) -> Block:
    """Return a block that times each call of ``call`` with the monotonic clock."""

    def block(calls: int) -> list[float]:
        clock = time.perf_counter_ns
        times: list[float] = []
        for _ in range(calls):
            start = clock()
            call()
            times.append((clock() - start) / 1e6)
        return times

    return block


def summarise(
    block_times: Sequence[Sequence[float]],
    *,
    first_call_ms: float = math.nan,
    settled: bool | None = None,
) -> Latency:
    """Return the statistics of timed blocks, each a sequence of milliseconds.

    >>> summarise([[1.0, 2.0], [3.0, 2.0]]).ms_p50
    2.0
    """
    times = np.concatenate([np.asarray(block, dtype=np.float64) for block in block_times])
    low, middle, high = np.percentile(times, [25, 50, 75])
    return Latency(
        ms_p50=float(middle),
        ms_p90=_tail(times, 0.9),
        ms_p99=_tail(times, 0.99),
        ms_iqr=float(high - low),
        ms_min=float(times.min()),
        samples=len(times),
        first_call_ms=first_call_ms,
        noise=_noise(block_times),
        settled=settled,
        blocks_ms=tuple(tuple(map(float, block)) for block in block_times),
    )


def samples_for(share: float) -> int:
    """Return how many samples a percentile needs: one must lie beyond it.

    >>> samples_for(0.9), samples_for(0.99)
    (10, 100)
    """
    return math.ceil(round(1 / (1 - share), 6))


def _tail(times: NDArray[np.float64], share: float) -> float | None:
    return float(np.percentile(times, 100 * share)) if len(times) >= samples_for(share) else None


def _noise(block_times: Sequence[Sequence[float]]) -> float | None:
    if len(block_times) < 2:
        return None
    medians = [float(np.median(block)) for block in block_times]
    low, middle, high = np.percentile(medians, [25, 50, 75])
    return float((high - low) / middle) if middle > 0 else None


@dataclass
class _Run:
    """What is known so far about one block."""

    block: Block
    first_call_ms: float = 0.0
    call_ms: float = 0.0
    failed: bool = False
    settled: bool = False
    times: list[Sequence[float]] = field(default_factory=lambda: [])

    def warm_up(self, schedule: Schedule) -> None:
        start = self.run(2)
        if self.failed:
            return
        self.first_call_ms, self.call_ms = start[0], start[-1]
        spent_ms, medians = 0.0, [self.call_ms]
        while spent_ms < 1000 * schedule.warm_up_seconds and not _settled(medians):
            times = self.run(_calls_within(self.call_ms, _BLOCK_MS))
            if self.failed:
                return
            spent_ms += sum(times)
            medians.append(float(np.median(times)))
            self.call_ms = medians[-1]
        self.settled = _settled(medians)

    def run(self, calls: int) -> Sequence[float]:
        times = self.block(calls)
        self.failed = len(times) == 0
        return times

    def step(self, schedule: Schedule) -> None:
        if self.done(schedule):
            return
        seconds = schedule.min_seconds / schedule.rounds
        calls = max(
            _calls_within(self.call_ms, 1000 * seconds),
            min(
                math.ceil(schedule.min_samples / schedule.rounds),
                _calls_within(self.call_ms, 1000 * schedule.max_seconds / schedule.rounds),
            ),
        )
        self.times.append(self.run(min(calls, _calls_within(self.call_ms, _LONGEST_BLOCK_MS))))

    def done(self, schedule: Schedule) -> bool:
        if self.failed:
            return True
        if len(self.times) < schedule.rounds:
            return False
        seconds = sum(map(sum, self.times)) / 1000
        enough = sum(map(len, self.times)) >= schedule.min_samples
        return seconds >= schedule.max_seconds or (enough and seconds >= schedule.min_seconds)


def _calls_within(call_ms: float, budget_ms: float) -> int:
    return max(1, min(10_000, round(budget_ms / max(call_ms, 1e-4))))


def _settled(medians: Sequence[float]) -> bool:
    last = medians[-5:]
    return len(last) == 5 and max(last) <= 1.02 * min(last)
