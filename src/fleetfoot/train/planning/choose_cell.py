"""The fastest way to compute a step, found in little time, also on a busy machine.

The likely fastest way comes first, and each begins with a part of a batch. One that takes twice the
least is given up then, one whose sister in the other layout is far behind is not tried, and none is
begun that the clock leaves no time for. Those that are close take turns with whole batches, so that
a change of the machine's pace meets all of them.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from fleetfoot.core.listener import Listener, Silent
from fleetfoot.core.machine_lock import measuring
from fleetfoot.data.loader import Batch
from fleetfoot.train.fused.fused_view import why_not_fused
from fleetfoot.train.planning.clock import Clock
from fleetfoot.train.planning.task import Task
from fleetfoot.train.planning.ways import Cell, Way, ways_of

CELL_SECONDS = 8.0  # for the ways with torch's kernels, at most
CELL_STEPS = 5
PART = 4  # of a batch: this part of it is tried first
GIVEN_UP = 2.0  # times the fastest first part
FAR_BEHIND = 1.6  # times the fastest step
COMPILING_PAYS_SECONDS = 150.0  # the length of a run from which fused kernels are tried
COMPILING_SECONDS = 12.0  # for that, once on a machine

Samples = dict[Way, list[float]]


@measuring()
def choose_cell(
    task: Task,
    *,
    images: int,
    clock: Clock,
    steps: int | None = None,
    listener: Listener | None = None,
) -> tuple[Way, tuple[Cell, ...]]:
    """Return the fastest way that the recipe allows, and what was measured.

    A single way is measured only where the length of the run follows from it. The fused kernels are
    compared in the fastest precision and layout, where the run is long enough to pay for compiling
    them.

    Args:
        task: what will be computed.
        images: that it is trained on.
        clock: what planning may take.
        steps: of the run, where they are given; else its length is that of `minutes`.
        listener: hears every measurement as it comes.

    Raises:
        UsageError: the recipe asks for fused kernels, which this device or layout does not have.
        MissingError: ... and Numba is absent.
    """
    recipe, listener = task.recipe, listener or Silent()
    ways = ways_of(recipe, device=task.device)
    may_fuse = recipe.compute.kernels == "auto" and not recipe.head.only
    may_fuse &= task.device == "cpu" and any(way.layout == "nhwc" for way in ways)
    cells: tuple[Cell, ...] = ()
    batch = task.noise(images)
    if len(ways) > 1 or recipe.minutes or (may_fuse and steps is not None):
        cells = _raced(task, batch, ways, clock.part(0.5, most=CELL_SECONDS), listener)
    best = _fastest(cells).way if cells else ways[0]
    fused = best._replace(kernels="fused")
    if recipe.compute.kernels == "fused":
        return fused, cells
    expected = (recipe.minutes or 0) * 60
    if steps is not None and cells:
        expected = steps * _fastest(cells).step_ms / 1e3
    if not may_fuse or expected < COMPILING_PAYS_SECONDS or clock.left < COMPILING_SECONDS:
        return best, cells
    # Asked last: it imports Numba, which short runs need not wait for.
    if why_not_fused(device=task.device, layout=best.layout) is not None:
        return best, cells
    compared = _raced(task, batch, [best, fused], clock.part(0.5, most=CELL_SECONDS), listener)
    others = tuple(cell for cell in cells if cell.way != best)
    return _fastest(compared).way, (*others, *compared)


def _fastest(cells: Sequence[Cell]) -> Cell:
    return min(cells, key=lambda cell: cell.step_ms)


def _raced(
    task: Task, batch: Batch, ways: Sequence[Way], clock: Clock, listener: Listener
) -> tuple[Cell, ...]:
    """Return what each way takes; those that there is no time for are estimated from a part."""
    count = len(batch.labels)
    few = max(2, count // PART) if count > PART else count
    part = Batch(batch.images[:few], batch.labels[:few], batch.indices[:few])
    samples, estimates = Samples(), dict[Way, float]()
    runners: dict[Way, Callable[[], None]] = {}
    for way in ways:
        reason = _why_not(way, samples, clock)
        if reason is not None:
            listener.message(f"  {way}: not measured, {reason}")
            continue
        trial = task.trial(way)
        compute = trial.answer if task.recipe.head.only else trial.train
        if way.kernels == "fused":
            compute(part)  # compiles
        estimates[way] = _estimate(partial(compute, part), clock) * count / few
        samples[way] = [estimates[way]]
        if estimates[way] <= GIVEN_UP * min(estimates.values()):
            runners[way] = partial(compute, batch)
            _sample(runners[way], samples[way], clock)
        ending = "a step" if way in runners else "a step, given up"
        listener.message(f"  {way}: {min(samples[way]) * 1e3:,.0f} ms {ending}")
    _take_turns(runners, samples, clock)
    return tuple(Cell(*way, min(times) * 1e3, len(times)) for way, times in samples.items())


def _estimate(runner: Callable[[], None], clock: Clock) -> float:
    """Return the time of a part; its first time pays for many things, and counts if it must."""
    first = _timed(runner)
    return min(first, _timed(runner)) if clock.left > first else first


def _sample(runner: Callable[[], None], times: list[float], clock: Clock) -> None:
    """Put one or two times of a whole batch in the place of an estimate, if there is time."""
    if clock.left > 2 * times[0]:
        times[:] = [_timed(runner)]
        if clock.left > times[0]:
            times.append(_timed(runner))


def _why_not(way: Way, samples: Samples, clock: Clock) -> str | None:
    """Return why a way is not tried, after those that were; the first always is."""
    if not samples:
        return None
    limit = FAR_BEHIND * _least(samples)
    for other, times in samples.items():
        if other.precision == way.precision and other.kernels == "torch" and min(times) > limit:
            return f"{way.precision} is far behind"
    return "planning has no time left for it" if clock.left < GIVEN_UP * _least(samples) else None


def _take_turns(runners: dict[Way, Callable[[], None]], samples: Samples, clock: Clock) -> None:
    close = [way for way in runners if min(samples[way]) <= FAR_BEHIND * _least(samples)]
    for _ in range(CELL_STEPS if len(close) > 1 else 0):
        for way in close:
            if clock.left < min(samples[way]):
                return
            samples[way].append(_timed(runners[way]))


def _least(samples: Samples) -> float:
    return min(min(times) for times in samples.values())


def _timed(runner: Callable[[], None]) -> float:
    start = time.perf_counter()
    runner()
    return time.perf_counter() - start
