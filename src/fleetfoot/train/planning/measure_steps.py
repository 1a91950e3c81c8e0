"""Measure what a plan needs: the fastest way to compute a step, and what a run's parts take.

Every way to compute gets its own copy of the network. After a warm-up step each, those far behind
are dropped and the others take turns, so that a change of the machine's pace meets all of them.
"""

import copy
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from fleetfoot.core.machine_lock import measuring
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.train.fused.fused_view import check_fused, view_of, why_not_fused
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.loaders import Loaders
from fleetfoot.train.optim.optimizers import set_lr
from fleetfoot.train.planning.fit_steps import Times
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context, Step, supervised_step
from fleetfoot.train.steps.take_steps import take_step
from fleetfoot.train.train_state import TrainState, prepare

Precision = Literal["float32", "bfloat16"]
Layout = Literal["nchw", "nhwc"]
Kernels = Literal["torch", "fused"]
CELL_SECONDS = 8.0  # for all ways to compute together; less in short runs
CELL_STEPS = 5
CLASSIFIER_WEIGHTS = ("classifier.weight", "classifier.known.weight")
FIT_SPEED = 2e10  # floating-point operations a second, on a modest core
FAR_BEHIND = 1.6  # times the fastest warm-up step
LOOP_SECONDS = (0.5, 12.0)  # for the step with loading: a fiftieth of the minutes, within these
COMPILING_PAYS_SECONDS = 150.0  # fused kernels are compiled once on a machine, in about ten


class Way(NamedTuple):
    """How the network is computed in training steps."""

    precision: Precision
    layout: Layout
    kernels: Kernels = "torch"


@dataclass(frozen=True)
class Cell:
    """One measured way to compute a step; `step_ms` is the fastest of `steps` without loading."""

    precision: Precision
    layout: Layout
    kernels: Kernels
    step_ms: float
    steps: int


@measuring()
def choose_cell(
    net: nn.Module,
    recipe: Recipe,
    *,
    preprocess: Preprocess,
    classes: int,
    device: str,
    steps: int | None = None,
    step: Step = supervised_step,
) -> tuple[Way, tuple[Cell, ...]]:
    """Return the fastest way that the recipe allows, and what was measured.

    A single way is measured only to know how long the run takes. Ties go to the earlier of
    float32, bfloat16 and of nchw, nhwc. The fused kernels are compared in the fastest precision
    and layout, and only where the run is long enough to pay for compiling them.

    Args:
        net: copied for each way.
        recipe: says what is allowed.
        preprocess: gives the size of the images.
        classes: number of classes.
        device: "cpu", "cuda" or "cuda:N".
        steps: of the whole run, if that is known; else the recipe has minutes.
        step: what will be computed.

    Raises:
        UsageError: the recipe asks for fused kernels, which this device or layout does not have.
        MissingError: ... and Numba is absent.
    """
    ways = _plain_ways(recipe, device=device)
    batch = _noise(recipe.batch, preprocess, classes=classes)
    words: dict[str, Any] = {"classes": classes, "device": device, "batch": batch, "step": step}
    limit = min(CELL_SECONDS, (recipe.minutes or 10) * 60 * 0.05)

    def measured(ways: list[Way], *, compiles: bool = False) -> tuple[Cell, ...]:
        runners = {way: _runner(net, recipe, preprocess, way=way, **words) for way in ways}
        if compiles:
            for runner in runners.values():
                runner()
        samples = _take_turns(runners, seconds=limit)
        return tuple(Cell(*way, min(samples[way]) * 1e3, len(samples[way])) for way in ways)

    may_fuse = recipe.compute.kernels == "auto" and not recipe.head.only
    may_fuse &= device == "cpu" and any(way.layout == "nhwc" for way in ways)
    cells = measured(ways) if len(ways) > 1 or (may_fuse and steps is not None) else ()
    best = _fastest(cells) if cells else ways[0]
    fused = best._replace(kernels="fused")
    if recipe.compute.kernels == "fused":
        return fused, cells
    expected = (recipe.minutes or 0) * 60
    if steps is not None and cells:
        expected = steps * min(cell.step_ms for cell in cells) / 1e3
    if not may_fuse or expected < COMPILING_PAYS_SECONDS:
        return best, cells
    # Asked last: it imports Numba, which short runs need not wait for.
    if why_not_fused(device=device, layout=best.layout) is not None:
        return best, cells
    compared = measured([best, fused], compiles=True)
    others = tuple(cell for cell in cells if (cell.precision, cell.layout) != best[:2])
    return _fastest(compared), (*others, *compared)


def _plain_ways(recipe: Recipe, *, device: str) -> list[Way]:
    precisions: list[Precision] = ["float32", "bfloat16"]
    layouts: list[Layout] = ["nchw", "nhwc"]
    if recipe.compute.kernels == "fused":
        check_fused(
            device=device,
            layout="nhwc" if recipe.compute.layout == "auto" else recipe.compute.layout,
        )
        layouts = ["nhwc"]
    return [
        Way(precision, layout)
        for precision in precisions
        for layout in layouts
        if recipe.compute.precision in ("auto", precision)
        and recipe.compute.layout in ("auto", layout)
    ]


def _fastest(cells: tuple[Cell, ...]) -> Way:
    cell = min(cells, key=lambda cell: cell.step_ms)
    return Way(cell.precision, cell.layout, cell.kernels)


@measuring()
def measure_times(
    net: nn.Module,
    recipe: Recipe,
    loaders: Loaders,
    *,
    way: Way,
    device: str,
    step: Step = supervised_step,
) -> Times:
    """Return what a step with its loading, an evaluation and the head phase take, in seconds."""
    state = _train_state(net, recipe, way=way, device=device)
    normalise = Normalise(loaders.preprocess, layout=way.layout, device=torch.device(device))
    context = _midway(recipe, loaders.classes, normalise, way.precision)
    set_lr(state.optimizer, 0.0)
    low, high = LOOP_SECONDS
    limit = min(high, max(low, (recipe.minutes or 0) * 60 / 50))
    seconds = 0.0
    if not recipe.head.only:  # by the share of the run that each size has
        seconds = sum(
            share * _steady_step(state, loader, context, step, seconds=share * limit)
            for loader, share in loaders.shares()
        )
    one_pass = _evaluation_seconds(state.net, loaders, context)
    evaluation = one_pass * (1 if recipe.checkpoints.ema is None else 2)
    views = (2 + recipe.head.views) * len(loaders.train_split) / max(1, len(loaders.val_split))
    images = (2 + recipe.head.views) * len(loaders.train_split)
    fit = _fit_seconds(state.net, recipe, images=images, classes=loaders.classes)
    head = one_pass * views + 3.0 + fit if recipe.head.steps else 0.0
    return Times(step=seconds, evaluation=evaluation, head=head)


def _train_state(net: nn.Module, recipe: Recipe, *, way: Way, device: str) -> TrainState:
    own = prepare(copy.deepcopy(net), recipe, layout=way.layout, device=device)
    state = TrainState.of(own, recipe)
    state.model = view_of(own, way.kernels)
    return state


def _midway(recipe: Recipe, classes: int, normalise: Normalise, precision: str) -> Context:
    """Return the context of a step halfway through a long run.

    What rises over a run, or is done only at its end, takes there what it takes on average.
    """
    return Context(
        recipe, 5000, classes, normalise, precision, total_steps=10_000, steps_per_epoch=100
    )


def _fit_seconds(net: nn.Module, recipe: Recipe, *, images: int, classes: int) -> float:
    """Return about what the regression on this many cached features takes.

    Five operations a weight, image and iteration: two products, and a quarter for line search.
    """
    features = sum(p.shape[1] for n, p in net.named_parameters() if n in CLASSIFIER_WEIGHTS)
    return 5 * recipe.head.steps * images * features * classes / FIT_SPEED


def _steady_step(
    state: TrainState, loader: Loader, context: Context, step: Step, *, seconds: float
) -> float:
    """Return the mean time of a step once the readers' queues are as full as they stay."""
    batches = _endless(loader)
    for _ in range(2 + 2 * (0 if loader.in_memory else loader.workers)):
        take_step(state, next(batches), context, step=step)
    steps, start = 0, time.perf_counter()
    while steps < 5 or time.perf_counter() - start < seconds:
        take_step(state, next(batches), context, step=step)
        steps += 1
    return (time.perf_counter() - start) / steps


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from loader.epoch(epoch)


def _evaluation_seconds(net: nn.Module, loaders: Loaders, context: Context) -> float:
    """Return the time of one pass over the validation images, the first pass left out."""
    net.eval()
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        # not `evaluate_net`: it gathers over processes, and only the first one measures
        with torch.no_grad(), context.autocast():
            for batch in loaders.val.evaluate():
                net(context.normalise(batch.images))
        seconds = time.perf_counter() - start
        if seconds > 5:  # long enough for the first pass to count
            break
    return seconds


def _runner(
    net: nn.Module,
    recipe: Recipe,
    preprocess: Preprocess,
    *,
    classes: int,
    way: Way,
    device: str,
    batch: Batch,
    step: Step,
) -> Callable[[], None]:
    state = _train_state(net, recipe, way=way, device=device)
    normalise = Normalise(preprocess, layout=way.layout, device=torch.device(device))
    context = _midway(recipe, classes, normalise, way.precision)
    set_lr(state.optimizer, 0.0)

    def train() -> None:
        take_step(state, batch, context, step=step)

    @torch.no_grad()
    def forward() -> None:
        with context.autocast():
            state.net(normalise(batch.images))

    return forward if recipe.head.only else train


def _take_turns(
    runners: dict[Way, Callable[[], None]], *, seconds: float
) -> dict[Way, list[float]]:
    """Return the times of each runner; one far behind keeps the time of its warm-up."""
    start = time.perf_counter()
    samples = {way: [_timed(runner)] for way, runner in runners.items()}
    for way, runner in runners.items():  # the first step of a process pays for many things
        if sum(times[0] for times in samples.values()) < seconds / 4:
            samples[way].append(_timed(runner))
    best = min(min(times) for times in samples.values())
    close = [way for way, times in samples.items() if min(times) <= FAR_BEHIND * best]
    for round_number in range(CELL_STEPS):
        for way in close:
            if round_number > 0 and time.perf_counter() - start > seconds:
                return samples
            samples[way].append(_timed(runners[way]))
    return samples


def _timed(runner: Callable[[], None]) -> float:
    start = time.perf_counter()
    runner()
    return time.perf_counter() - start


def _noise(size: int, preprocess: Preprocess, *, classes: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    shape = (size, preprocess.size, preprocess.size, preprocess.channels)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, classes, (size,), generator=generator)
    return Batch(images, labels, torch.arange(size))
