"""The training loop.

Exact    killed at any moment and resumed from the last saved state, a run on one process ends with
         the bits it would have had: every random number is a function of (seed, epoch, image) or
         (seed, step), the learning rate of the step, and the state holds the rest
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fleetfoot.core.errors import Interrupted, TrainingError, UsageError
from fleetfoot.core.interrupt import GracefulStop
from fleetfoot.core.listener import Listener
from fleetfoot.core.results import to_json
from fleetfoot.core.seeds import seed_everything, torch_rng
from fleetfoot.data.loader import Batch
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.train.distributed import any_process, this_process, wrapped
from fleetfoot.train.exactness import exact_arithmetic
from fleetfoot.train.fused_view import view_of
from fleetfoot.train.head import check_outputs, shape_head, train_head
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.loaders import Loaders, inverse_frequency, open_loaders
from fleetfoot.train.optimizers import set_lr
from fleetfoot.train.plan import Plan
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.recorder import Recorder
from fleetfoot.train.schedule import lr_at, validation_errors
from fleetfoot.train.state import State
from fleetfoot.train.steps import Context, Step, supervised_step, take_step
from fleetfoot.train.trainee import Trainee, prepare, training_mode
from fleetfoot.train.validation import predictions, validate


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a finished run has to say; the weights it chose are in the network.

    Attributes:
        steps: steps taken.
        epochs: the same in epochs.
        seconds: time of the loop with evaluations and head phase, over all processes of the run.
        images_per_second: training images over that time.
        val_top1, val_top5, val_loss: of the chosen weights, in the plan's precision.
        best_step: step of the chosen weights.
        weights: "ema" or "best".
        history: the "epoch" lines of metrics.jsonl.
    """

    steps: int
    epochs: float
    seconds: float
    images_per_second: float
    val_top1: float
    val_top5: float | None
    val_loss: float
    best_step: int
    weights: str
    history: tuple[dict[str, Any], ...]


def train(  # noqa: PLR0913  the seam that INTERFACES.md decides
    net: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    plan: Plan,
    folder: Path,
    preprocess: Preprocess,
    step: Step = supervised_step,
    progress: Listener | None = None,
    resume: bool = False,
) -> TrainResult:
    """Train ``net`` by the plan; afterwards it holds the weights to deploy, in evaluation mode.

    Args:
        net: the network with its initial weights, which ``resume`` needs only if no state was
            saved yet.
        data: the data set.
        recipe: the recipe that the plan was made for.
        plan: from `make_plan` or `read_plan`.
        folder: the run folder; gets ``metrics.jsonl`` and ``state/``.
        preprocess: from decoded image to network input.
        step: computes loss and metrics of a batch.
        progress: hears how it gets on.
        resume: go on from the last saved state.

    Raises:
        TrainingError: the loss is not finite, or the last state cannot be saved.
        Interrupted: Ctrl-C; the state was saved.
        UsageError: the plan was made for another recipe or number of processes.
        DataError: the saved state is damaged.
    """
    _check(plan, recipe)
    check_outputs(net, recipe, classes=len(data.classes))
    device = torch.device(plan.device)
    with exact_arithmetic(threads=plan.threads, device=device), GracefulStop() as stop:
        seed_everything(recipe.seed)
        loaders = plan.loaders or open_loaders(
            data, recipe, preprocess=preprocess, workers=plan.workers
        )
        prepare(net, recipe, layout=plan.layout, device=plan.device)
        context = _context(loaders, recipe, plan)
        recorder = Recorder(folder, plan, process=this_process(), progress=progress)
        saved = recorder.begin(resume=resume)
        trainee = _trainee(net, data, context, plan, recorder, saved=saved)
        if saved is None:
            if recipe.head_steps:
                validate(trainee, loaders, context, plan, recorder)
            recorder.save(last=plan.total_steps == 0)
        trainee.model = wrapped(view_of(net, plan.kernels))
        state = trainee.progress
        while state.step < plan.total_steps and not state.is_stale(recipe.early_stop):
            training_mode(net, recipe)
            for batch in _rest_of_epoch(loaders, plan, state.step):
                lr = lr_at(
                    state.step,
                    recipe,
                    total_steps=plan.total_steps,
                    warmup_steps=plan.warmup_steps,
                    steps_per_epoch=plan.steps_per_epoch,
                    errors=validation_errors(state.history),
                )
                set_lr(trainee.optimizer, lr)
                _seed_step(recipe.seed, state.step, device)
                context = replace(context, step=state.step)
                try:
                    loss, metrics = take_step(trainee, batch, context, step=step)
                except TrainingError as error:
                    raise TrainingError(f"{error}; {recorder.last_good()}") from error
                state.step += 1
                recorder.step(loss=loss, metrics=metrics, lr=lr, images=len(batch.labels))
                stopping = any_process(stop.requested, device=device)
                if plan.evaluates_after(state.step):
                    validate(trainee, loaders, context, plan, recorder)
                if stopping or plan.evaluates_after(state.step) or plan.saves_after(state.step):
                    recorder.save(last=stopping)
                if state.step == plan.total_steps or state.is_stale(recipe.early_stop):
                    break
                if stopping:
                    raise Interrupted(_how_to_go_on(folder, plan, state.step))
        recorder.save(last=True)
        return _finish(trainee, loaders, plan, recorder)


def _check(plan: Plan, recipe: Recipe) -> None:
    if plan.recipe != to_json(recipe):
        old, new = plan.recipe, to_json(recipe)
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        raise UsageError(
            f"the plan was made for another recipe ({', '.join(changed)} differ): resume with the "
            "run's own settings, or start a new run"
        )
    world = this_process().world
    if plan.world != world:
        raise UsageError(
            f"the plan is for {plan.world} processes, this is a run of {world}: start it with "
            f"`torchrun --nproc-per-node {plan.world}`"
        )


def _context(loaders: Loaders, recipe: Recipe, plan: Plan) -> Context:
    device = torch.device(plan.device)
    weights = None
    if recipe.balance == "weights":
        by_class = inverse_frequency(loaders.train_split.labels, classes=loaders.classes)
        weights = torch.from_numpy(by_class).to(device)
    normalise = Normalise(loaders.preprocess, layout=plan.layout, device=device)
    return Context(
        recipe,
        0,
        loaders.classes,
        normalise,
        plan.precision,
        weights,
        total_steps=plan.total_steps,
        steps_per_epoch=plan.steps_per_epoch,
    )


def _trainee(
    net: nn.Module,
    data: Data,
    context: Context,
    plan: Plan,
    recorder: Recorder,
    *,
    saved: State | None,
) -> Trainee:
    """Return what is trained: as it was saved, or new, after its head phase if there is one."""
    recipe = context.recipe
    if recipe.head_steps and saved is not None:
        shape_head(net, context.classes, like=saved.tensors)
    elif recipe.head_steps:
        recorder.head(train_head(net, data, context, workers=plan.workers, images=plan.head_images))
    trainee = Trainee.of(net, recipe)
    if saved is not None:
        trainee.restore(saved)
    recorder.follow(trainee)
    return trainee


def _rest_of_epoch(loaders: Loaders, plan: Plan, step: int) -> Iterator[Batch]:
    epoch, start = divmod(step, plan.steps_per_epoch)
    done = epoch * plan.steps_per_epoch / plan.total_steps
    return loaders.train_at(done).epoch(epoch, start)


def _seed_step(seed: int, step: int, device: torch.device) -> None:
    """Make dropout and its like a function of (seed, step), whatever was drawn in between."""
    key = torch_rng(seed, "step", step, this_process().rank).initial_seed()
    torch.default_generator.manual_seed(key)  # torch.manual_seed takes a hundred times as long
    if device.type == "cuda":
        torch.cuda.manual_seed(key)


def _how_to_go_on(folder: Path, plan: Plan, step: int) -> str:
    return (
        f"stopped after step {step} of {plan.total_steps}, the state is saved; "
        f"go on with `fleetfoot fit --resume {folder}`"
    )


def _finish(trainee: Trainee, loaders: Loaders, plan: Plan, recorder: Recorder) -> TrainResult:
    trainee.choose_weights()
    trainee.net.eval()
    state = trainee.progress
    final = predictions(trainee.net, loaders, plan)
    images = state.step * plan.batch
    return TrainResult(
        steps=state.step,
        epochs=state.step / plan.steps_per_epoch,
        seconds=recorder.seconds,
        images_per_second=images / max(recorder.seconds, 1e-9),
        val_top1=final.top1,
        val_top5=final.top5,
        val_loss=final.loss,
        best_step=state.step if trainee.ema is not None else state.best_step,
        weights="best" if trainee.ema is None else "ema",
        history=tuple(state.history),
    )
