"""Trainings that claims are made of: one network, one recipe, one seed, images in memory.

A training here writes nothing and evaluates once, at its end, so that no image that judges has
chosen anything. On one machine it gives the same bits whenever it is run.

Letters  N images, K classes
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.training_images import Part, images_of, normalised, preprocess_of
from fleetfoot.core.errors import TrainingError
from fleetfoot.core.seeds import seed_everything, torch_rng
from fleetfoot.measure.device import device_profile

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.data.loader import Loader
    from fleetfoot.data.preprocess import Preprocess
    from fleetfoot.data.samples import Split
    from fleetfoot.train.recipe import Recipe
    from fleetfoot.train.steps import Context, Step
    from fleetfoot.train.trainee import Trainee

SMOKE_IMAGES = 100  # of each part, at the smoke scale
START_IMAGES = 1000  # that an initialiser may look at
EVALUATION_BATCH = 250
CLASSES = 10  # of every data set here

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
    recipe: "Recipe",
    seed: int,
    train_images: int | None = None,
    test_images: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    pixels: Mapping[str, Any] | None = None,
    step: "Step | None" = None,
    judge: Part = "test",
    stop: Stop | None = None,
) -> Outcome:
    """Train a new network and return what it came to.

    At the smoke scale it sees one epoch of a hundred handwritten digits, in the shape of the images
    that were asked for; nothing else changes, so that every claim has a smoke form.

    Args:
        make_net: makes the network, after torch's generator was seeded with ``seed``.
        setting: scale, data folder and device.
        data: a name in `training_images.DATA`.
        recipe: how to train, for a number of epochs; its methods are composed. "auto" is bfloat16
            and channels last where the device is fast at it. A head phase, class balance,
            progressive sizes and the plateau schedule are not known here.
        seed: of weights, order, augmentation and dropout, in the place of the recipe's.
        train_images: a stratified part of the training images, the same for all seeds; None: all.
        test_images: likewise of the images that judge.
        size: side of the images, pixels; None for that of the data set.
        channels: 1 or 3; None for those of the data set.
        pixels: further fields of `Preprocess` that are not the data set's, such as
            ``{"std": (1.0, 1.0, 1.0)}`` for images in 0-255 units.
        step: what a step computes, inside the methods; None for the ordinary one.
        judge: which images judge; "val" for a choice that precedes the figure.
        stop: ends the training early.

    Raises:
        DataError: the data set is not there.
        UsageError: a method is unknown or finds no place in the network.
    """
    from fleetfoot.data.loader import Loader
    from fleetfoot.recipes import method
    from fleetfoot.train.exactness import exact_arithmetic
    from fleetfoot.train.steps import supervised_step

    recipe = recipe.with_changes(seed=seed, **_way(recipe, setting.device))
    preprocess = preprocess_of(data, size=size, channels=channels, pixels=pixels)
    if is_smoke(setting):
        recipe = recipe.with_changes(epochs=1)
    train = images_at(setting, data, "train", train_images)
    judges = images_at(setting, data, judge, test_images)
    with exact_arithmetic(threads=1, device=torch.device(setting.device)):
        seed_everything(seed)
        net = method.operate(make_net().train(), recipe).to(setting.device)
        _initialise(net, recipe, train, preprocess)
        taken = _take_steps(
            net,
            recipe,
            Loader(train, preprocess, batch=recipe.batch, seed=seed, augment=recipe.augment),
            device=setting.device,
            step=method.step_of(recipe, step or supervised_step),
            stop=stop,
        )
        net = method.finish(taken.net, recipe).eval()
        logits = logits_of(net, judges, preprocess, recipe, device=setting.device)
    labels = torch.from_numpy(judges.labels)
    return Outcome(
        test_error=error_of(logits, labels),
        train_errors=taken.train_errors,
        step_errors=taken.step_errors,
        seconds=taken.seconds,
        net=net.cpu().to(memory_format=torch.contiguous_format),  # pyright: ignore[reportCallIssue]
        logits=logits,
        labels=labels,
        finite=taken.finite,
    )


def images_at(setting: Setting, data: str, part: Part, count: int | None) -> "Split":
    """Return `images_of` a data set; at the smoke scale a hundred digits in their place."""
    if is_smoke(setting):
        data, count = "digits", SMOKE_IMAGES
    return images_of(data, setting.data, part, count)


def error_of(logits: Tensor, labels: Tensor) -> float:
    """Return the percentage of wrong answers; ``logits`` (N, K), or probabilities."""
    return 100 * float((logits.argmax(dim=1) != labels).double().mean())


def logits_of(
    net: nn.Module, images: "Split", preprocess: "Preprocess", recipe: "Recipe", *, device: str
) -> Tensor:
    """Return what a network, in evaluation mode, says to images, (N, K), on the CPU."""
    from fleetfoot.data.loader import Loader
    from fleetfoot.train.evaluate import evaluate_net

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


class _Taken(NamedTuple):
    net: nn.Module
    train_errors: tuple[float, ...]
    step_errors: tuple[float, ...]
    seconds: float
    finite: bool


def _take_steps(
    net: nn.Module,
    recipe: "Recipe",
    loader: "Loader",
    *,
    device: str,
    step: "Step",
    stop: Stop | None,
) -> _Taken:
    from fleetfoot.train.steps import take_step
    from fleetfoot.train.trainee import Trainee, prepare, training_mode

    loader.prepare()
    trainee = Trainee.of(prepare(net, recipe, layout=recipe.layout, device=device), recipe)
    context = _context(recipe, loader, device)
    epochs: list[float] = []
    steps: list[float] = []
    finite, start = True, time.perf_counter()
    try:
        for epoch in range(recipe.epochs or 1):
            training_mode(net, recipe)
            for batch in loader.epoch(epoch):
                context = replace(context, step=len(steps))
                _begin_step(trainee, context)
                _, metrics = take_step(trainee, batch, context, step=step)
                steps.append(100 * (1 - metrics.get("accuracy", math.nan)))
            epochs.append(math.fsum(steps[-loader.steps_per_epoch :]) / loader.steps_per_epoch)
            if stop is not None and stop(epochs):
                break
    except TrainingError:  # the loss is no number any more: a result like others
        finite = False
    seconds = time.perf_counter() - start
    chosen = net if trainee.ema is None else trainee.ema.net
    return _Taken(chosen, tuple(epochs), tuple(steps), seconds, finite)


def _context(recipe: "Recipe", loader: "Loader", device: str) -> "Context":
    from fleetfoot.train.inputs import Normalise
    from fleetfoot.train.steps import Context

    where = torch.device(device)
    normalise = Normalise(loader.preprocess, layout=recipe.layout, device=where)
    return Context(
        recipe,
        0,
        CLASSES,
        normalise,
        recipe.precision,
        total_steps=(recipe.epochs or 1) * loader.steps_per_epoch,
        steps_per_epoch=loader.steps_per_epoch,
    )


def _begin_step(trainee: "Trainee", context: "Context") -> None:
    """Set what depends on the time of training: learning rate, and the draws inside modules."""
    from fleetfoot.train.optimizers import set_lr
    from fleetfoot.train.schedule import lr_at

    recipe = context.recipe
    lr = lr_at(
        context.step,
        recipe,
        total_steps=context.total_steps,
        warmup_steps=round(recipe.warmup * context.total_steps),
        steps_per_epoch=context.steps_per_epoch,
    )
    set_lr(trainee.optimizer, lr)
    key = torch_rng(recipe.seed, "step", context.step, 0).initial_seed()
    torch.default_generator.manual_seed(key)
    if context.normalise.device.type == "cuda":
        torch.cuda.manual_seed(key)


def _initialise(net: nn.Module, recipe: "Recipe", train: "Split", preprocess: "Preprocess") -> None:
    from fleetfoot.recipes import method

    if any(found.initialise is not None for found in method.methods_of(recipe)):
        shown = range(min(START_IMAGES, len(train)))
        device = next(net.parameters()).device
        images = normalised(train, preprocess, shown).to(device)
        labels = torch.from_numpy(train.labels[: len(shown)]).to(device)
        method.initialise(net, method.Start(images=images, labels=labels, recipe=recipe))


def _way(recipe: "Recipe", device: str) -> dict[str, Any]:
    """Return precision and layout with "auto" resolved: never by timing, which may change."""
    fast = device != "cpu" or _computes_bfloat16()
    precision = ("bfloat16" if fast else "float32") if recipe.precision == "auto" else None
    layout = "nhwc" if recipe.layout == "auto" else recipe.layout
    return {"precision": precision or recipe.precision, "layout": layout}


@cache
def _computes_bfloat16() -> bool:
    return bool({"amx_bf16", "avx512_bf16"} & {*device_profile().instruction_sets})
