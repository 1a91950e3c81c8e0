"""The winner is that of measuring everything, and everything else says why it was not measured."""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fleetfoot.search.candidates import HEADROOM, candidates_for, choose_within, prior
from fleetfoot.search.choice import Candidate, Situation
from fleetfoot.search.rounds import measure_in_rounds

LITES = tuple(f"tf_efficientnet_lite{n}" for n in range(3))
PHOTOS = Situation(pixels=256, images=290, weights=frozenset(LITES))
CANDIDATES = candidates_for(PHOTOS)


class Machine:
    """Times candidates by a rule, and remembers the rounds; ``pace`` is of each look at one."""

    def __init__(
        self, ms: Callable[[str, int], float | None], *, pace: Sequence[float] = (1.0,)
    ) -> None:
        self.ms, self.pace = ms, pace
        self.rounds: list[list[tuple[str, int]]] = []

    def __call__(self, candidates: Sequence[Candidate], seconds: float) -> list[Candidate]:
        self.rounds.append([(c.net, c.size) for c in candidates])
        return list(map(self._timed, candidates))

    def _timed(self, candidate: Candidate) -> Candidate:
        key = candidate.net, candidate.size
        ms = self.ms(*key)
        if ms is None:
            return replace(candidate, reason="cannot run: no luck")
        look = sum(key in asked for asked in self.rounds) - 1
        return replace(candidate, latency_ms_p50=ms * self.pace[min(look, len(self.pace) - 1)])


def lites(net: str, size: int) -> float:
    """About what the networks take: a part of their own, and one that grows with the pixels."""
    index = LITES.index(net)
    return 0.3 + (2.0, 3.3, 4.8)[index] * (size / 224) ** 2


def winner(found: Sequence[Candidate], budget_ms: float) -> tuple[str, int]:
    choice = choose_within(found, budget_ms=budget_ms, seconds=0)
    return choice.net, choice.size


@pytest.mark.parametrize("budget_ms", [0.9, 1.2, 1.9, 2.6, 3.7, 5.0, 7.5, 50.0])
def test_it_finds_what_measuring_everything_finds_in_a_part_of_the_measurements(
    budget_ms: float,
) -> None:
    machine = Machine(lites)
    found = measure_in_rounds(CANDIDATES, budget_ms=budget_ms, measure=machine)
    everything = [replace(c, latency_ms_p50=lites(c.net, c.size)) for c in CANDIDATES]
    assert winner(found, budget_ms) == winner(everything, budget_ms)
    assert [(c.net, c.size) for c in found] == [(c.net, c.size) for c in CANDIDATES]
    assert sum(map(len, machine.rounds)) <= 0.6 * len(CANDIDATES)
    for candidate in found:
        if candidate.latency_ms_p50 is None:
            assert candidate.reason.startswith("not measured: ")
            assert "s were up" not in candidate.reason


@pytest.mark.parametrize("seed", range(40))
def test_also_for_networks_of_any_speed(seed: int) -> None:
    draw = random.Random(seed)
    base = {net: draw.uniform(0.0, 3.0) for net in LITES}
    power = {net: draw.uniform(0.3, 3.0) for net in LITES}
    priors = {(c.net, c.size): draw.uniform(40, 80) for c in CANDIDATES}
    candidates = [replace(c, prior=priors[c.net, c.size]) for c in CANDIDATES]

    def ms(net: str, size: int) -> float:
        return base[net] + (size / 160) ** power[net]

    budget = draw.uniform(1.0, 8.0)
    within = [c for c in candidates if ms(c.net, c.size) <= HEADROOM * budget]
    found = measure_in_rounds(candidates, budget_ms=budget, measure=Machine(ms))
    kept = [c for c in found if (c.latency_ms_p50 or 1e9) <= HEADROOM * budget]
    best = max(within, key=lambda c: c.prior, default=None)
    assert (best is None) == (not kept)
    if best is not None:
        top = max(kept, key=lambda c: c.prior)
        assert (top.net, top.size) == (best.net, best.size)


def test_a_size_beyond_the_one_a_network_knows_is_never_measured() -> None:
    machine = Machine(lites)
    found = measure_in_rounds(CANDIDATES, budget_ms=50.0, measure=machine)
    assert machine.rounds == [[(LITES[2], 256), (LITES[1], 256), (LITES[0], 224)]]
    (beyond,) = (c for c in found if (c.net, c.size) == (LITES[0], 256))
    assert beyond.prior < prior(LITES[0], 224, PHOTOS)
    assert beyond.reason.startswith("not measured: ")


def test_networks_take_turns_a_size_each() -> None:
    machine = Machine(lites)
    measure_in_rounds(CANDIDATES, budget_ms=1.2, measure=machine)
    assert {net for net, _ in machine.rounds[0]} == {*LITES}
    assert all(len({net for net, _ in asked}) == len(asked) for asked in machine.rounds)


def test_a_slow_moment_of_the_machine_does_not_decide() -> None:
    slow = Machine(lites, pace=(1.2, 1.0))
    found = measure_in_rounds(CANDIDATES, budget_ms=3.0, measure=slow)
    calm = measure_in_rounds(CANDIDATES, budget_ms=3.0, measure=Machine(lites))
    assert winner(found, 3.0) == winner(calm, 3.0)
    assert any(len(list(same)) > 1 for _, same in _sorted_groups(slow))


def _sorted_groups(machine: Machine) -> list[tuple[tuple[str, int], list[tuple[str, int]]]]:
    asked = sorted(itertools.chain.from_iterable(machine.rounds))
    return [(key, list(same)) for key, same in itertools.groupby(asked)]


def test_what_there_was_no_time_for_says_so() -> None:
    found = measure_in_rounds(CANDIDATES, budget_ms=1.2, measure=Machine(lites), seconds=-1.0)
    late = "not measured: -1 s were up; it might have won"
    others = {(c.net, c.size): c.reason for c in found if c.reason != late}
    assert others == {
        (LITES[2], 288): "not measured: 256 px is faster, and its prior no lower",
        (LITES[0], 256): "not measured: 224 px is faster, and its prior no lower",
    }


def test_a_measurement_that_gets_nowhere_ends() -> None:
    found = measure_in_rounds(CANDIDATES, budget_ms=1.2, measure=lambda *_: [])
    assert {c.latency_ms_p50 for c in found} == {None}


def test_the_choice_says_how_many_might_have_won() -> None:
    def one(candidates: Sequence[Candidate], seconds: float) -> list[Candidate]:
        return [replace(c, latency_ms_p50=1.0) for c in candidates if c.net == LITES[0]]

    found = measure_in_rounds(CANDIDATES, budget_ms=5.0, measure=one)
    choice = choose_within(found, budget_ms=5.0, seconds=1.0)
    late = sum(c.reason.endswith("it might have won") for c in found)
    assert (choice.net, late > 0) == (LITES[0], True)
    assert choice.reason.endswith(f"{late} more might win, but time was up")


def test_sizes_that_cannot_run_leave_the_others() -> None:
    def ms(net: str, size: int) -> float | None:
        return None if size > 192 else lites(net, size)

    found = measure_in_rounds(CANDIDATES, budget_ms=50.0, measure=Machine(ms))
    everything = [replace(c, latency_ms_p50=ms(c.net, c.size)) for c in CANDIDATES]
    assert winner(found, 50.0) == winner(everything, 50.0)
    assert any(c.reason == "cannot run: no luck" for c in found)
