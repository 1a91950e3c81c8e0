"""Measure what the parts of a run take: a step with its loading, an evaluation, the head phase."""

import itertools
import time
from collections.abc import Iterator

from torch import nn

from fleetfoot.core.machine_lock import measuring
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.train.loaders import Loaders
from fleetfoot.train.planning.clock import Clock
from fleetfoot.train.planning.fit_steps import Times
from fleetfoot.train.planning.task import Task, Trial
from fleetfoot.train.planning.ways import Way
from fleetfoot.train.recipe import Recipe

CLASSIFIER_WEIGHTS = ("classifier.weight", "classifier.known.weight")
FIT_SPEED = 2e10  # floating-point operations a second, on a modest core
HEAD_SECONDS = 3.0  # of the head phase, besides features and regression
LOOP_SECONDS = (0.5, 12.0)  # for the step with loading: a fiftieth of the minutes, within these
LEAST_STEPS = 2
EVALUATION_SECONDS = 5.0  # of the images that an evaluation is measured on, at most
FORWARD = 1 / 3  # of a training step: what an evaluation takes that could not be measured


@measuring()
def measure_times(
    task: Task, loaders: Loaders, *, way: Way, clock: Clock, known: float | None = None
) -> Times:
    """Return what a step with its loading, an evaluation and the head phase take, in seconds.

    Args:
        task: what will be computed.
        loaders: of the run; what they hold in memory is read now.
        way: how it will be computed.
        clock: what planning may take. What it leaves no time for is estimated.
        known: seconds of a step without loading, if they were measured.
    """
    recipe, trial = task.recipe, task.trial(way)
    low, high = LOOP_SECONDS
    limit = min(high, max(low, (recipe.minutes or 0) * 60 / 50))
    seconds = 0.0
    if not recipe.head.only:  # by the share of the run that each size has
        for loader, share in loaders.shares():
            loader.prepare()
            if known is None or clock.left > (LEAST_STEPS + 1) * known:
                now = _steady_step(trial, loader, clock.part(0.6, most=share * limit))
            else:
                now = known
            seconds += share * now
    loaders.val.prepare()
    one_pass = _evaluation_seconds(trial, loaders, clock, step=seconds or known or 0.0)
    evaluation = one_pass * (1 if recipe.checkpoints.ema is None else 2)
    images = (2 + recipe.head.views) * len(loaders.train_split)
    features = one_pass * images / max(1, len(loaders.val_split))
    fit = _fit_seconds(trial.state.net, recipe, images=images, classes=loaders.classes)
    head = features + HEAD_SECONDS + fit if recipe.head.steps else 0.0
    return Times(step=seconds, evaluation=evaluation, head=head)


def _fit_seconds(net: nn.Module, recipe: Recipe, *, images: int, classes: int) -> float:
    """Return about what the regression on this many cached features takes.

    Five operations a weight, image and iteration: two products, and a quarter for line search.
    """
    features = sum(p.shape[1] for n, p in net.named_parameters() if n in CLASSIFIER_WEIGHTS)
    return 5 * recipe.head.steps * images * features * classes / FIT_SPEED


def _steady_step(trial: Trial, loader: Loader, clock: Clock) -> float:
    """Return the mean time of a step once the readers' queues are as full as they stay."""
    batches = _endless(loader)
    for _ in range(1 if loader.in_memory else 2 + 2 * loader.workers):
        trial.train(next(batches))
    steps, start = 0, time.perf_counter()
    while steps < LEAST_STEPS or clock.left > 0:
        trial.train(next(batches))
        steps += 1
    return (time.perf_counter() - start) / steps


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from loader.epoch(epoch)


def _evaluation_seconds(trial: Trial, loaders: Loaders, clock: Clock, *, step: float) -> float:
    """Return the time of a pass over the validation images, from as many as there is time for.

    The first batch pays for many things, and counts only where it is the only one.
    """
    images = len(loaders.val_split)
    found: list[tuple[int, float]] = []
    trial.state.net.eval()
    start = time.perf_counter()
    # not `evaluate_net`: it gathers over processes, and only the first one measures
    for batch in itertools.chain.from_iterable(loaders.val.evaluate() for _ in range(2)):
        if clock.left < 0 or sum(seconds for _, seconds in found) > EVALUATION_SECONDS:
            break
        trial.answer(batch)
        found.append((len(batch.labels), time.perf_counter() - start))
        start = time.perf_counter()
    if not found:
        return FORWARD * step * images / trial.context.recipe.batch
    counts, seconds = zip(*(found[1:] or found))
    return images * sum(seconds) / sum(counts)
