"""Memory of schedules: counts by hand, and brute force over every order that computes the same."""

import random
from collections.abc import Iterator

import pytest
from torch import Tensor, nn

from fleetfoot.measure.counts import count
from fleetfoot.measure.memory import (
    MemoryGraph,
    Step,
    arena_offsets,
    arena_size,
    least_peak,
    lifetimes,
    live_bytes,
)

Order = tuple[int, ...]

CHAIN = MemoryGraph(
    steps=(Step((0,), (1,)), Step((1,), (2,)), Step((2,), (3,))),
    sizes={0: 4, 1: 6, 2: 3, 3: 1},
    inputs=(0,),
    outputs=(3,),
)
# A sum of a map and what two operators made of it, one of them in place.
RESIDUAL = MemoryGraph(
    steps=(Step((0,), (1,)), Step((1,), (1,)), Step((0, 1), (2,)), Step((2,), (3,))),
    sizes={0: 8, 1: 8, 2: 8, 3: 2},
    inputs=(0,),
    outputs=(3,),
)
# Three branches of one map, as recorded: all wide beginnings first, which is the worst order.
BRANCHES = MemoryGraph(
    steps=(
        *(Step((0,), (1,)), Step((0,), (2,)), Step((0,), (3,))),
        *(Step((1,), (4,)), Step((2,), (5,)), Step((3,), (6,))),
        Step((4, 5, 6), (7,)),
    ),
    sizes={0: 4, 1: 20, 2: 12, 3: 9, 4: 1, 5: 2, 6: 3, 7: 6},
    inputs=(0,),
    outputs=(7,),
)
# Each step reads all maps before it (a dense block); a side head makes a second output.
DENSE = MemoryGraph(
    steps=(
        *(Step((0,), (1,)), Step((0, 1), (2,)), Step((0, 1, 2), (3,))),
        *(Step((1,), (4,)), Step((4,), (5,)), Step((0, 1, 2, 3), (6,))),
    ),
    sizes={0: 5, 1: 2, 2: 2, 3: 2, 4: 30, 5: 1, 6: 11},
    inputs=(0,),
    outputs=(5, 6),
)
# Ten steps: two inputs, a reader that must stay ahead of an operator in place, a dead end.
MIXED = MemoryGraph(
    steps=(
        *(Step((0,), (2,)), Step((1,), (3,)), Step((0,), (4,)), Step((2,), (5,))),
        *(Step((2,), (2,)), Step((3,), (6,)), Step((6, 4), (7,)), Step((2, 7), (8,))),
        *(Step((8,), (8,)), Step((8, 5), (9,))),
    ),
    sizes={0: 7, 1: 9, 2: 6, 3: 14, 4: 1, 5: 2, 6: 3, 7: 4, 8: 5, 9: 1},
    inputs=(0, 1),
    outputs=(9, 4),
)
GRAPHS = {
    "chain": CHAIN,
    "residual": RESIDUAL,
    "branches": BRANCHES,
    "dense": DENSE,
    "mixed": MIXED,
}


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("chain", (10, 9, 4)),
        ("residual", (16, 16, 24, 10)),
        ("branches", (24, 36, 45, 42, 24, 15, 12)),
        ("dense", (7, 9, 11, 41, 42, 23)),
        ("mixed", (22, 36, 28, 23, 23, 26, 16, 18, 8, 9)),
    ],
)
def test_live_bytes_by_hand(name: str, live: Order) -> None:
    assert live_bytes(GRAPHS[name]) == live


@pytest.mark.parametrize(
    ("name", "least"), [("chain", 10), ("residual", 24), ("branches", 25), ("dense", 38)]
)
def test_least_peak_by_hand(name: str, least: int) -> None:
    """In `branches` 20 runs first and shrinks to 1; in `dense` the side head runs second."""
    assert least_peak(GRAPHS[name]).bytes == least


@pytest.mark.parametrize("name", GRAPHS)
def test_least_peak_is_that_of_brute_force(name: str) -> None:
    _agrees_with_brute_force(GRAPHS[name])


@pytest.mark.parametrize("seed", range(40))
def test_least_peak_of_random_graphs(seed: int) -> None:
    _agrees_with_brute_force(_random_graph(random.Random(seed), steps=7))


def _agrees_with_brute_force(graph: MemoryGraph) -> None:
    found = least_peak(graph)
    peaks = {order: max(_live(graph, order)) for order in _orders(graph)}
    assert found.bytes == min(peaks.values())
    assert found.order is not None
    assert peaks[found.order] == found.bytes
    assert found.reason is None
    assert peaks[tuple(range(len(graph.steps)))] == max(live_bytes(graph))


def _orders(graph: MemoryGraph) -> Iterator[Order]:
    """Yield every order in which each step reads the very contents that it reads as recorded."""
    contents = dict.fromkeys(graph.inputs, -1)  # buffer -> the step that wrote it last
    wanted: list[list[int]] = []
    for index, step in enumerate(graph.steps):
        wanted.append([contents[n] for n in step.reads])
        contents |= dict.fromkeys(step.writes, index)
    final = contents

    def extend(done: Order, now: dict[int, int]) -> Iterator[Order]:
        if len(done) == len(graph.steps) and now == final:
            yield done
        for index, step in enumerate(graph.steps):
            if index not in done and [now.get(n) for n in step.reads] == wanted[index]:
                yield from extend((*done, index), now | dict.fromkeys(step.writes, index))

    return extend((), dict.fromkeys(graph.inputs, -1))


def _live(graph: MemoryGraph, order: Order) -> list[int]:
    """Return the bytes alive at each step of an order, straight from the definition."""
    at = {step: place for place, step in enumerate(order)}
    live = [0] * len(order)
    for number, size in graph.sizes.items():
        writes = [at[i] for i, step in enumerate(graph.steps) if number in step.writes]
        uses = writes + [at[i] for i, step in enumerate(graph.steps) if number in step.reads]
        first = 0 if number in graph.inputs else min(writes)
        last = len(order) - 1 if number in graph.outputs else max(uses, default=-1)
        for place in range(first, last + 1):
            live[place] += size
    return live


def _random_graph(draw: random.Random, *, steps: int) -> MemoryGraph:
    """Return a graph whose steps read up to three earlier maps; one in four works in place."""
    made: list[int] = [0]
    found: list[Step] = []
    for _ in range(steps):
        reads = tuple(draw.sample(made, k=min(len(made), draw.randint(1, 3))))
        if draw.random() < 0.25:
            found.append(Step(reads, reads[:1]))
        else:
            made.append(len(made))
            found.append(Step(reads, (made[-1],)))
    sizes = {n: draw.randint(1, 20) for n in made}
    return MemoryGraph(tuple(found), sizes, (0,), (made[-1],))


def test_a_reader_stays_ahead_of_an_operator_in_place() -> None:
    """Working in place first would give the reader other values, though it needs less memory."""
    graph = MemoryGraph(
        steps=(Step((0,), (1,)), Step((0,), (0,)), Step((0, 1), (2,))),
        sizes={0: 1, 1: 10, 2: 1},
        inputs=(0,),
        outputs=(2,),
    )
    assert least_peak(graph).order == (0, 1, 2)


def test_too_many_orders_give_no_figure_but_the_reason() -> None:
    found = least_peak(BRANCHES, most_states=5)
    assert (found.bytes, found.order) == (None, None)
    assert found.reason == "more than 5 sets of finished steps"


def test_no_step_needs_nothing() -> None:
    empty = MemoryGraph((), {}, (), ())
    assert (live_bytes(empty), arena_size(empty), least_peak(empty).bytes) == ((), 0, 0)


def test_an_input_that_nobody_reads_is_not_alive() -> None:
    graph = MemoryGraph((Step((0,), (1,)),), {0: 1, 1: 2, 2: 50}, (0, 2), (1,))
    assert live_bytes(graph) == (3,)
    assert least_peak(graph).bytes == 3


def test_arena_by_hand() -> None:
    """3 takes the gap that 1 left between 0 and 2; 4 takes what is left of it."""
    graph = MemoryGraph(
        steps=(Step((), (0, 1, 2)), Step((0, 2), ()), Step((0, 2), (3,)), Step((0, 2, 3), (4,))),
        sizes={0: 10, 1: 6, 2: 4, 3: 5, 4: 1},
        inputs=(),
        outputs=(4,),
    )
    assert arena_offsets(graph) == {0: 0, 1: 10, 3: 10, 2: 16, 4: 15}
    assert max(live_bytes(graph)) == 20
    assert arena_size(graph) == 20


def test_an_arena_can_be_larger_than_the_peak() -> None:
    """The two maps of 2 choose first and take the bottom; 3 bytes would do for all."""
    graph = MemoryGraph(
        steps=(Step((0,), (1,)), Step((1,), (2,)), Step((2,), (3,))),
        sizes={0: 2, 1: 1, 2: 1, 3: 2},
        inputs=(0,),
        outputs=(3,),
    )
    assert max(live_bytes(graph)) == 3
    assert arena_offsets(graph) == {0: 0, 3: 0, 1: 2, 2: 3}
    assert arena_size(graph) == 4


@pytest.mark.parametrize("seed", range(60))
def test_buffers_alive_together_lie_apart(seed: int) -> None:
    graph = _random_graph(random.Random(seed), steps=25)
    lives, offsets = lifetimes(graph), arena_offsets(graph)
    assert set(lives) == set(offsets)
    for a, (first, last) in lives.items():
        for b, (from_, to) in lives.items():
            if a < b and first <= to and from_ <= last:
                ends = offsets[a] + graph.sizes[a], offsets[b] + graph.sizes[b]
                assert ends[0] <= offsets[b] or ends[1] <= offsets[a]
    assert max(live_bytes(graph)) <= arena_size(graph) <= sum(graph.sizes.values())


class TwoBranches(nn.Module):
    """A wide branch and a narrow one, recorded in the order that needs more."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(1, 2, 1, bias=False)
        self.wide = nn.Conv2d(1, 8, 1, bias=False)
        self.reduce = nn.Conv2d(8, 2, 1, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.act(self.narrow(x))
        return narrow + self.reduce(self.wide(x))


def test_a_network_by_hand() -> None:
    """Maps of 4 by 4 in float32: 64 bytes a channel; the activation works in place."""
    counts = count(TwoBranches(), (1, 4, 4))
    assert [n // 64 for n in counts.live_bytes] == [1 + 2, 1 + 2, 1 + 2 + 8, 2 + 8 + 2, 2 + 2 + 2]
    assert counts.peak_live_bytes == 64 * 12
    assert counts.least_peak_bytes == 64 * 11  # wide, reduce, narrow: 9, 11, 5
    assert counts.peak_live_bytes <= counts.arena_bytes
    assert len(counts.live_bytes) == len(counts.records)
