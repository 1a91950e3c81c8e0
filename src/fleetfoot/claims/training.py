"""Trainings that claims are made of: one network, one recipe, one seed, images in memory.

A training here evaluates once, at its end, so that no image that judges has chosen anything. On one
machine it gives the same bits whenever it is run. With `Setting.trainings` it goes on after any
stop, and is not done twice.

Letters  N images, K classes
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.identity import identity
from fleetfoot.claims.kept_training import Course, KeptTraining, kept_training
from fleetfoot.claims.training_images import Part, images_of, normalised, preprocess_of
from fleetfoot.core.errors import UsageError
from fleetfoot.core.machine_lock import working
from fleetfoot.core.parts import flatten
from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.loader import Loader
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.measure.device import computes_bfloat16
from fleetfoot.measure.provenance import code_sha256
from fleetfoot.recipes import method
from fleetfoot.train.evaluate import evaluate_net
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.process.exactness import exact_arithmetic
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context, Step, supervised_step
from fleetfoot.train.steps.take_steps import LossError, steps_left
from fleetfoot.train.train_state import TrainState, prepare

SMOKE_IMAGES = 100  # of each part, at the smoke scale
START_IMAGES = 1000  # that an initialiser may look at
EVALUATION_BATCH = 250
CLASSES = 10  # of every data set here

# Fields of a recipe that only a run of `fit` carries out, with what means "not used".
UNKNOWN: dict[str, Any] = {
    "minutes": None,
    "checkpoints.early_stop": None,
    "head.steps": 0,
    "examples.balance": "none",
    "examples.sizes": [],
}

# Student's t at 97.5 % for 1, 2, ... degrees of freedom; beyond them the last, a little too wide.
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)

# Asked after each epoch with the training errors so far; True ends the training.
Stop = Callable[[Sequence[float]], bool]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a training came to.

    Attributes:
        test_error: percent of the images that judge which the last weights get wrong (their
            average, if the recipe keeps one).
        train_errors: percent of the images of each epoch that were wrong when they came by, as
            they were augmented.
        step_errors: the same of each step.
        seconds: wall time of the steps, without making the network and evaluating it.
        net: as it was trained, on the CPU, in evaluation mode.
        logits: of the images that judge, (N, K), on the CPU.
        labels: of the images that judge, (N,).
        finite: False where the loss left the range of numbers, which ended the training.
    """

    test_error: float
    train_errors: tuple[float, ...]
    step_errors: tuple[float, ...]
    seconds: float
    net: nn.Module = field(repr=False)
    logits: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    finite: bool = True


class Interval(NamedTuple):
    """A mean and the ends of its interval, which are None where there is but one value."""

    mean: float
    low: float | None
    high: float | None


def train_once(  # noqa: PLR0913  what one training of a claim may have of its own
    make_net: Callable[[], nn.Module],
    setting: Setting,
    *,
    data: str = "cifar10",
    recipe: Recipe,
    seed: int,
    train_images: int | None = None,
    test_images: int | None = None,
    preprocess: Preprocess | None = None,
    step: Step | None = None,
    stop: Stop | None = None,
) -> Outcome:
    """Train a new network and return what it came to.

    At the smoke scale it sees one epoch of a hundred handwritten digits, in the shape of the images
    that were asked for; nothing else changes, so that every claim has a smoke form.

    Args:
        make_net: makes the network, after torch's generator was seeded with ``seed``.
        setting: scale, data folder, device, and where trainings are kept.
        data: a name in `training_images.DATA`.
        recipe: how to train, with its methods, without what `UNKNOWN` has. "auto" is bfloat16 and
            channels last where the device is fast at it.
        seed: of weights, order, augmentation and dropout, instead of the recipe's.
        train_images, test_images: how many there are, the same for all seeds; None: all.
        preprocess: None for that of the data set.
        step: what a step computes, inside the methods; None for the ordinary one.
        stop: ends the training early.

    Raises:
        DataError: the data set is not there.
        UsageError: a method, or a field of the recipe, cannot be carried out here.
    """
    _check_known(recipe)
    shorter = {"epochs": 1} if is_smoke(setting) else {}
    recipe = recipe.with_changes(seed=seed, **_way(recipe, setting.device), **shorter)
    task = _Task(
        recipe,
        preprocess or preprocess_of(data),
        images_at(setting, data, "train", train_images),
        images_at(setting, data, "test", test_images),
        method.step_of(recipe, step or supervised_step),
        stop,
    )
    return _trained(make_net, task, setting)


class _Task(NamedTuple):
    recipe: Recipe
    preprocess: Preprocess
    train: Split
    judges: Split
    step: Step
    stop: Stop | None


def _trained(make_net: Callable[[], nn.Module], task: _Task, setting: Setting) -> Outcome:
    recipe, device = task.recipe, setting.device
    with exact_arithmetic(threads=1, device=torch.device(device)):
        seed_everything(recipe.seed)
        net = method.apply_surgery(make_net().train(), recipe).to(device)
        _initialise(net, task)
        key = "" if setting.trainings is None else _key(net, task, setting)
        state = TrainState.of(
            prepare(net, recipe, layout=recipe.compute.layout, device=device), recipe
        )
        with kept_training(setting, key) as kept:
            course = kept.begin(state)
            if course.logits is None:
                with working():
                    _take_steps(state, task, course, kept)
            last = kept.last_state(state, course)
            net = method.finish(net if state.ema is None else state.ema.net, recipe).eval()
            logits = course.logits
            if logits is None:
                logits = logits_of(net, task.judges, task.preprocess, recipe, device=device)
                kept.finish(last, logits)
    labels = torch.from_numpy(task.judges.labels)
    return Outcome(
        test_error=error_of(logits, labels),
        train_errors=tuple(course.train_errors),
        step_errors=tuple(course.step_errors),
        seconds=state.progress.seconds,
        net=net.cpu().to(memory_format=torch.contiguous_format),  # pyright: ignore[reportCallIssue]
        logits=logits,
        labels=labels,
        finite=course.finite,
    )


# What decides how a network is trained; with other code a training begins again.
CODE = ("blocks", "data", "kernels", "nets", "ops", "recipes/methods", "train")


def _key(net: nn.Module, task: _Task, setting: Setting) -> str:
    """Return the name of a training: a hash of all that decides it, the first weights included."""
    splits = [
        (split.name, [(sample.key, sample.label) for sample in split.samples])
        for split in (task.train, task.judges)
    ]
    decides = (task.recipe.to_json(), task.preprocess, splits, task.step, task.stop, net)
    versions = (torch.__version__, code_sha256(CODE))
    return identity(decides, setting.device, is_smoke(setting), *versions)


def _check_known(recipe: Recipe) -> None:
    """Refuse what only a run of `fit` carries out."""
    settings = flatten(recipe.to_json())
    used = {path: settings[path] for path in UNKNOWN if settings[path] != UNKNOWN[path]}
    if recipe.schedule.kind == "plateau":
        used["schedule"] = recipe.schedule.kind
    for name, value in used.items():
        raise UsageError(f"recipe: {name} = {value!r} is not known to trainings of claims")


def images_at(setting: Setting, data: str, part: Part, count: int | None) -> Split:
    """Return `images_of` a data set; at the smoke scale a hundred digits instead."""
    if is_smoke(setting):
        data, count = "digits", SMOKE_IMAGES
    return images_of(data, setting.data, part, count)


def error_of(logits: Tensor, labels: Tensor) -> float:
    """Return the percentage of wrong answers; ``logits`` (N, K), or probabilities."""
    return 100 * float((logits.argmax(dim=1) != labels).double().mean())


def logits_of(
    net: nn.Module, images: Split, preprocess: Preprocess, recipe: Recipe, *, device: str
) -> Tensor:
    """Return what a network, in evaluation mode, says to images, (N, K), on the CPU."""
    loader = Loader(images, preprocess, batch=EVALUATION_BATCH)
    way = _way(recipe, device)
    return torch.from_numpy(evaluate_net(net, loader, device=device, **way).logits)


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent values, such as one of each seed, and its 95 % t-interval.

    Raises:
        ValueError: there are no values.

    >>> mean_interval([2.0])
    Interval(mean=2.0, low=None, high=None)
    """
    if not values:
        raise ValueError("there is no mean of no values")
    count, mean = len(values), math.fsum(values) / len(values)
    if count == 1:
        return Interval(mean, None, None)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = T_95[min(count - 1, len(T_95)) - 1] * math.sqrt(variance / count)
    return Interval(mean, mean - half, mean + half)


def is_smoke(setting: Setting) -> bool:
    """Return whether only the way is tried, in seconds."""
    return setting.scale == "smoke"


def _take_steps(state: TrainState, task: _Task, course: Course, kept: KeptTraining) -> None:
    recipe, augment = task.recipe, task.recipe.augment
    loader = Loader(
        task.train, task.preprocess, batch=recipe.batch, seed=recipe.seed, augment=augment
    )
    loader.prepare()
    context = _context(recipe, loader, next(state.net.parameters()).device)
    left = steps_left(state, context, lambda _: loader, step=task.step)
    steps, per_epoch = course.step_errors, loader.steps_per_epoch
    try:
        for taken in left:
            steps.append(100 * (1 - taken.metrics.get("accuracy", math.nan)))
            state.progress.seconds += taken.seconds
            if state.progress.step % per_epoch == 0:
                course.train_errors.append(math.fsum(steps[-per_epoch:]) / per_epoch)
                if task.stop is not None and task.stop(course.train_errors):
                    break
            kept.save(state, course)
            kept.listener.update(step=state.progress.step, total_steps=context.total_steps)
    except LossError:  # a result like others
        course.finite = False


def _context(recipe: Recipe, loader: Loader, device: torch.device) -> Context:
    normalise = Normalise(loader.preprocess, layout=recipe.compute.layout, device=device)
    total = (recipe.epochs or 1) * loader.steps_per_epoch
    return Context(
        recipe,
        0,
        CLASSES,
        normalise,
        recipe.compute.precision,
        total_steps=total,
        steps_per_epoch=loader.steps_per_epoch,
        warmup_steps=round(recipe.schedule.warmup * total),
    )


def _initialise(net: nn.Module, task: _Task) -> None:
    if any(found.initialise is not None for found in method.methods_of(task.recipe)):
        shown = range(min(START_IMAGES, len(task.train)))
        device = next(net.parameters()).device
        images = normalised(task.train, task.preprocess, shown).to(device)
        labels = torch.from_numpy(task.train.labels[: len(shown)]).to(device)
        method.initialise(net, method.Start(images=images, labels=labels, recipe=task.recipe))


def _way(recipe: Recipe, device: str) -> dict[str, Any]:
    """Return precision and layout with "auto" resolved: never by timing, which may change."""
    fast = device != "cpu" or computes_bfloat16()
    precision = ("bfloat16" if fast else "float32") if recipe.compute.precision == "auto" else None
    layout = "nhwc" if recipe.compute.layout == "auto" else recipe.compute.layout
    return {"precision": precision or recipe.compute.precision, "layout": layout}
