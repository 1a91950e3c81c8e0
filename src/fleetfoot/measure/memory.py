"""Memory of a schedule of operators: what is alive, how it packs, what a better order would need.

Method   a buffer is alive from the step that first writes it to the last step that touches it, and
         a step needs what it reads and writes at once; a step that works in place has the buffer
         among its reads and its writes
Papers   Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020,
         arXiv:2001.03288 (greedy by size, best fit)
"""

import bisect
import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MOST_STATES = 100_000  # sets of finished steps that `least_peak` looks at; some seconds


@dataclass(frozen=True)
class Step:
    """One operator, by the numbers of the buffers that it reads and writes."""

    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True)
class MemoryGraph:
    """Operators in the order in which they run, and the buffers between them.

    Attributes:
        steps: in order; parameters are not among their buffers.
        sizes: bytes of every buffer, by number.
        inputs: buffers that are full before the first step.
        outputs: buffers that are needed after the last step.
    """

    steps: tuple[Step, ...]
    sizes: Mapping[int, int]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class LeastPeak:
    """The smallest peak over all orders.

    Attributes:
        bytes: None where it was not found.
        order: steps of the graph in an order that reaches it; None with `bytes`.
        reason: why it was not found; None where it was.
    """

    bytes: int | None
    order: tuple[int, ...] | None
    reason: str | None


def live_bytes(graph: MemoryGraph) -> tuple[int, ...]:
    """Return the bytes alive while each step runs; the peak is the largest."""
    change = [0] * (len(graph.steps) + 1)
    for number, (first, last) in lifetimes(graph).items():
        change[first] += graph.sizes[number]
        change[last + 1] -= graph.sizes[number]
    return tuple(itertools.accumulate(change[:-1]))


def lifetimes(graph: MemoryGraph) -> dict[int, tuple[int, int]]:
    """Return the first and the last step at which each buffer is alive; unused ones have none."""
    first = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = {}
    for index, step in enumerate(graph.steps):
        for number in step.writes:
            first.setdefault(number, index)
        last.update(dict.fromkeys((*step.reads, *step.writes), index))
    last.update(dict.fromkeys(graph.outputs, len(graph.steps) - 1))
    return {number: (first[number], last[number]) for number in first if number in last}


def arena_size(graph: MemoryGraph) -> int:
    """Return the bytes of one buffer that holds all others; at least the peak."""
    ends = (offset + graph.sizes[number] for number, offset in arena_offsets(graph).items())
    return max(ends, default=0)


def arena_offsets(graph: MemoryGraph) -> dict[int, int]:
    """Return where each buffer lies in the arena, in bytes; buffers alive together are disjoint.

    Large buffers choose first; each takes the smallest gap that fits between those that are alive
    with it, or goes above them.
    """
    lives = lifetimes(graph)
    placed: list[tuple[int, int, int]] = []  # offset, end, number
    for number in sorted(lives, key=lambda n: (-graph.sizes[n], lives[n])):
        first, last = lives[number]
        taken = [p for p in placed if lives[p[2]][0] <= last and first <= lives[p[2]][1]]
        offset = _best_gap(taken, graph.sizes[number])
        bisect.insort(placed, (offset, offset + graph.sizes[number], number))
    return {number: offset for offset, _, number in placed}


def _best_gap(taken: Sequence[tuple[int, int, int]], size: int) -> int:
    """Return the start of the smallest gap of at least ``size``; ``taken`` is in order."""
    top = 0
    gaps: list[tuple[int, int]] = []  # size, start
    for low, high, _ in taken:
        if low - top >= size:
            gaps.append((low - top, top))
        top = max(top, high)
    return min(gaps)[1] if gaps else top


def least_peak(graph: MemoryGraph, *, most_states: int = MOST_STATES) -> LeastPeak:
    """Return the smallest peak over all orders that keep every reader behind its writer.

    The memory alive between two steps depends on which steps are done, not on their order; so the
    search goes over sets of finished steps, always from the one reached with the lowest peak. The
    answer is exact. Chains cost a set a step; n independent chains of length m cost (m + 1)^n.

    Args:
        graph: what to order.
        most_states: after this many sets of finished steps the search gives up.
    """
    orders = _Orders(graph)
    everything = (1 << len(graph.steps)) - 1
    best = {0: 0}  # lowest peak on a way to each set of finished steps, as bits
    came_by: dict[int, int] = {}  # the step that completed the set
    queue = [(0, 0, 0)]  # peak, minus the number of steps done, their set
    closed: set[int] = set()
    while queue and len(closed) < most_states:
        peak, minus, done = heapq.heappop(queue)
        if done == everything:
            return LeastPeak(peak, _way(came_by, done), None)
        if done in closed:
            continue
        closed.add(done)
        for step, after, needed in orders.moves(done):
            if max(peak, needed) < best.get(after, math.inf):
                best[after], came_by[after] = max(peak, needed), step
                heapq.heappush(queue, (best[after], minus - 1, after))
    return LeastPeak(None, None, f"more than {most_states} sets of finished steps")


class _Orders:
    """What can follow a set of finished steps; sets are the bits of a number."""

    def __init__(self, graph: MemoryGraph) -> None:
        self.graph = graph
        self.born = set(graph.inputs)  # buffers that no step makes
        self.writers: Counter[int] = Counter()  # of a buffer: the set of steps that write it
        self.users: Counter[int] = Counter()  # of a buffer: the set of steps that touch it
        self.before: list[int] = []  # of a step: the set of steps that it waits for
        self.followers: list[list[int]] = [[] for _ in graph.steps]
        for index, step in enumerate(graph.steps):
            self._add(index, step)
        needed = [n for n in self.born if self.users[n] or n in graph.outputs]
        live = sum(graph.sizes[n] for n in needed)
        ready = tuple(i for i, before in enumerate(self.before) if not before)
        self.known = {0: (live, ready)}  # live bytes and possible next steps of a set

    def _add(self, index: int, step: Step) -> None:
        """Make a step wait for writers of what it reads, and for all users of what it writes."""
        before = 0
        for number in step.reads:
            before |= self.writers[number]
        for number in step.writes:
            before |= self.users[number]
            self.writers[number] |= 1 << index
        for number in {*step.reads, *step.writes}:
            self.users[number] |= 1 << index
        self.before.append(before)
        for earlier in range(index):
            if before >> earlier & 1:
                self.followers[earlier].append(index)

    def moves(self, done: int) -> Iterator[tuple[int, int, int]]:
        """Yield each possible next step, the set with it, and the bytes alive while it runs."""
        live, ready = self.known[done]
        for step in ready:
            after = done | 1 << step
            needed = live + self._made(step, done)
            yield step, after, needed
            if after not in self.known:
                followers = (n for n in self.followers[step] if not self.before[n] & ~after)
                others = (n for n in ready if n != step)
                self.known[after] = (needed - self._freed(step, after), (*others, *followers))

    def _made(self, step: int, done: int) -> int:
        """Return the bytes of the buffers that a step is the first to write."""
        new = {n for n in self.graph.steps[step].writes if not self.writers[n] & done}
        return sum(self.graph.sizes[n] for n in new - self.born)

    def _freed(self, step: int, after: int) -> int:
        """Return the bytes of the buffers that nobody needs after a step."""
        words = self.graph.steps[step]
        dead = {n for n in (*words.reads, *words.writes) if not self.users[n] & ~after}
        return sum(self.graph.sizes[n] for n in dead.difference(self.graph.outputs))


def _way(came_by: Mapping[int, int], done: int) -> tuple[int, ...]:
    """Return the steps in the order in which they made up a set."""
    order: list[int] = []
    while done:
        order.append(came_by[done])
        done ^= 1 << order[-1]
    return tuple(reversed(order))
