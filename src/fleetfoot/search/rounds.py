"""Measure candidates in rounds, one size of every network in each, until it is clear which wins.

A larger size is never faster and a lower prior never wins, so few of them need measuring: each
network begins with the largest size that may win, whose time tells which one to try next. What was
not measured says why.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fleetfoot.search.candidates import HEADROOM, MIGHT_HAVE_WON, NEAR
from fleetfoot.search.choice import Candidate

SECONDS = 55.0
Key = tuple[str, int]
# Of candidates, in at most so many seconds: those it had time for, with a latency or a reason.
Measure = Callable[[Sequence[Candidate], float], Iterable[Candidate]]


def measure_in_rounds(
    candidates: Iterable[Candidate],
    *,
    budget_ms: float,
    measure: Measure,
    seconds: float = SECONDS,
) -> tuple[Candidate, ...]:
    """Return the candidates; those that decide which of them wins have a latency.

    Args:
        candidates: networks at sizes, with their priors.
        budget_ms: of the median latency, milliseconds.
        measure: times the candidates of a round.
        seconds: when no further round begins; `measure` makes no network that would take longer.
    """
    table = _Table(candidates, HEADROOM * budget_ms)
    start = time.perf_counter()
    while wanted := table.wanted():
        left = seconds - (time.perf_counter() - start)
        if left < 0 or not table.note(measure(wanted, left)):
            break
    late = f"not measured: {seconds:g} s were up; {MIGHT_HAVE_WON}"
    return tuple(table.told(key, late=late) for key in table.found)


class _Table:
    """What is known of every candidate; ``limit`` is the latency that the winner keeps."""

    def __init__(self, candidates: Iterable[Candidate], limit: float) -> None:
        self.found: dict[Key, Candidate] = {(c.net, c.size): c for c in candidates}
        self.looks: dict[Key, int] = dict.fromkeys(self.found, 0)
        self.limit = limit

    def note(self, measured: Iterable[Candidate]) -> bool:
        """Take in measurements, of two of one candidate the lower; return whether there are any."""
        noted = False
        for new in measured:
            key, noted = (new.net, new.size), True
            self.found[key] = min(new, self.found[key], key=_latency)
            self.looks[key] += 1
        return noted

    def wanted(self) -> list[Candidate]:
        """Return what is measured next: of each network that could still win one size."""
        by_net: dict[str, list[Candidate]] = {}
        for key, candidate in self.found.items():
            if not self._is_settled(key) and self._cannot_win(candidate) is None:
                by_net.setdefault(candidate.net, []).append(candidate)
        return list(map(self._next, by_net.values()))

    def told(self, key: Key, *, late: str) -> Candidate:
        """Return a candidate; one that was not measured says why."""
        candidate = self.found[key]
        if self.looks[key]:
            return candidate
        reason = self._cannot_win(candidate)
        return replace(candidate, reason=late if reason is None else f"not measured: {reason}")

    def _is_settled(self, key: Key) -> bool:
        """Whether a candidate was measured, twice if one slow moment may have kept it out."""
        near = self.limit < _latency(self.found[key]) <= NEAR * self.limit
        return self.looks[key] >= (2 if near else 1)

    def _cannot_win(self, candidate: Candidate) -> str | None:
        """Return why a candidate cannot win, by what was measured of others; None if it can."""
        within = [c for c in self.found.values() if _latency(c) <= self.limit]
        best = max(within, key=lambda c: c.prior, default=None)
        if best is not None and candidate.prior <= best.prior:
            return f"it cannot win over {best.net} at {best.size} px, which is within the budget"
        for key, other in self.found.items():
            runs = not self.looks[key] or other.latency_ms_p50 is not None
            if other.net != candidate.net or other.size >= candidate.size or not runs:
                continue
            if other.prior >= candidate.prior:
                return f"{other.size} px is faster, and its prior no lower"
            if self._is_settled(key) and _latency(other) > self.limit:
                return f"{other.size} px is over the budget already"
        return None

    def _next(self, candidates: Sequence[Candidate]) -> Candidate:
        """Return the largest size expected within the limit, by what the network took before."""
        timed = [
            c
            for c in self.found.values()
            if c.net == candidates[0].net and c.latency_ms_p50 is not None
        ]
        by_size = sorted(candidates, key=lambda c: c.size)
        if not timed:
            return by_size[-1]
        known = min(timed, key=lambda c: c.size)
        fits = [c for c in by_size if _latency(known) * (c.size / known.size) ** 2 <= self.limit]
        return [*by_size[:1], *fits][-1]


def _latency(candidate: Candidate) -> float:
    return math.inf if candidate.latency_ms_p50 is None else candidate.latency_ms_p50
