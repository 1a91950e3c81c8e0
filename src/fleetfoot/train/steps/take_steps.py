"""Take the steps of a training, one after another: the loop inside `train` and inside claims.

What a step draws is a function of (seed, step) and its learning rate one of the step and of the
evaluations so far, so that a training goes on from a saved state as if it had not been stopped.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import nn

from fleetfoot.core.errors import TrainingError
from fleetfoot.core.machine_lock import rest
from fleetfoot.core.seeds import torch_rng
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.train.optim.learning_rate import lr_at, validation_errors
from fleetfoot.train.optim.masks import keep_silent, move_masks
from fleetfoot.train.optim.optimizers import set_lr
from fleetfoot.train.process.distributed import this_process
from fleetfoot.train.steps.step import Context, Step, supervised_step
from fleetfoot.train.train_state import TrainState, training_mode


class LossError(TrainingError):
    """The loss is not a finite number."""


@dataclass(frozen=True)
class Taken:
    """One step that was taken; `seconds` is its wall time, with the wait for its images."""

    loss: float
    metrics: dict[str, float]
    lr: float
    images: int
    seconds: float


def steps_left(
    state: TrainState,
    context: Context,
    loader_at: Callable[[float], Loader],
    *,
    step: Step = supervised_step,
) -> Generator[Taken]:
    """Take the steps that are left of a training, each when it is asked for; yield what came of it.

    Args:
        state: changes with every step; `Progress.step` says where the training stands.
        context: of the training; its `step` is set here.
        loader_at: from the share of the training that is done when an epoch begins to its images.
        step: computes loss and metrics.

    Raises:
        LossError: the loss is not a finite number; the network is left as it was.
    """
    done = state.progress
    while done.step < done.ends_at(context.total_steps):
        training_mode(state.net, context.recipe)
        epoch, start = divmod(done.step, context.steps_per_epoch)
        if start == 0 or done.epoch_share is None:
            first = dataclasses.replace(context, step=done.step - start, stretch=done.stretch)
            done.epoch_share = first.progress
        batches = loader_at(done.epoch_share).epoch(epoch, start)
        while done.step < done.ends_at(context.total_steps):
            rest()
            began = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            now = dataclasses.replace(context, step=done.step, stretch=done.stretch)
            lr = _begin_step(state, now)
            loss, metrics = take_step(state, batch, now, step=step)
            done.step += 1
            seconds = time.perf_counter() - began
            yield Taken(loss, metrics, lr, len(batch.labels), seconds)


def _begin_step(state: TrainState, context: Context) -> float:
    """Set the learning rate of a step, which is returned, and what layers know and draw in it."""
    recipe = context.recipe
    lr = lr_at(
        context.step,
        recipe,
        total_steps=context.total_steps,
        warmup_steps=context.warmup_steps,
        steps_per_epoch=context.steps_per_epoch,
        errors=validation_errors(state.progress.history),
        stretch=context.stretch,
    )
    set_lr(state.optimizer, lr)
    for layer in state.annealed:
        layer.progress = context.progress
    key = torch_rng(recipe.seed, "step", context.step, this_process().rank).initial_seed()
    torch.default_generator.manual_seed(key)  # torch.manual_seed takes a hundred times as long
    if context.normalise.device.type == "cuda":
        torch.cuda.manual_seed(key)
    return lr


def take_step(
    state: TrainState, batch: Batch, context: Context, *, step: Step
) -> tuple[float, dict[str, float]]:
    """Compute a step and update the network with it; return the loss and the metrics.

    Raises:
        LossError: the loss is not a finite number; the network is left as it was.
    """
    loss, metrics = step(state.model, batch, context)
    # One transfer for all numbers: on a GPU each is a wait.
    value, *numbers = torch.stack([loss.detach(), *metrics.values()]).tolist()
    if not math.isfinite(value):
        raise LossError(
            f"the loss is {value} at step {context.step + 1}: "
            f"{_likely_cause(state, batch, context, step)}"
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    move_masks(state.masked)
    clip_norm = context.recipe.optimizer.clip_norm
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(state.net.parameters(), clip_norm)
    state.optimizer.step()
    keep_silent(state.masked)
    if state.ema is not None:
        state.ema.update(context.step)
    return value, dict(zip(metrics, numbers, strict=True))


def _likely_cause(state: TrainState, batch: Batch, context: Context, step: Step) -> str:
    if not torch.isfinite(context.normalise(batch.images)).all():
        return "the input is not finite after normalisation; look at the preprocessing's std"
    lr = max(group["lr"] for group in state.optimizer.param_groups)
    if not state.is_finite():
        return (
            f"the weights had already left the range of numbers; the learning rate ({lr:.3g}) is "
            "probably too high: lower `lr`, lengthen `warmup` or set `clip_norm`"
        )
    if context.precision == "bfloat16":
        with torch.no_grad():
            exact, _ = step(state.net, batch, dataclasses.replace(context, precision="float32"))
        if math.isfinite(exact.item()):
            return "bfloat16 overflows where float32 does not; set `precision` to float32"
    return f"the learning rate ({lr:.3g}) is probably too high: lower `lr` or set `clip_norm`"
