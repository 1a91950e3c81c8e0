"""The training loop.

Exact    killed at any moment and resumed from the last saved state, a run on one process ends with
         the bits it would have had: every random number is a function of (seed, epoch, image) or
         (seed, step), the learning rate one of the step, and the state holds the rest
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fleetfoot.core.errors import Interrupted, TrainingError, UsageError
from fleetfoot.core.interrupt import GracefulStop
from fleetfoot.core.listener import Listener
from fleetfoot.core.parts import flatten
from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.train.fused.fused_view import view_of
from fleetfoot.train.head.phase import check_outputs, shape_head, train_head
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.loaders import Loaders, inverse_frequency, open_loaders
from fleetfoot.train.planning.pace import Pace
from fleetfoot.train.planning.plan import Plan
from fleetfoot.train.process.distributed import any_process, this_process, wrapped
from fleetfoot.train.process.exactness import exact_arithmetic
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.recorder import Recorder
from fleetfoot.train.steps.step import Context, Step, check_methods, supervised_step
from fleetfoot.train.steps.take_steps import LossError, steps_left
from fleetfoot.train.train_state import TrainState, prepare
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
        UsageError: the plan was made for another recipe or number of processes, or ``step`` does
            not carry out the recipe's methods.
        DataError: the saved state is damaged.
    """
    _check(plan, recipe)
    check_methods(step, recipe)
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
        state = _begin(net, data, context, loaders, recorder, resume=resume)
        try:
            _take_steps(state, context, loaders, recorder, step=step, stop=stop)
        except LossError as error:
            raise TrainingError(f"{error}; {recorder.last_good()}") from error
        recorder.save(last=True)
        return _finish(state, loaders, plan, recorder)


def _take_steps(
    state: TrainState,
    context: Context,
    loaders: Loaders,
    recorder: Recorder,
    *,
    step: Step,
    stop: GracefulStop,
) -> None:
    plan, done, patience = recorder.plan, state.progress, context.recipe.checkpoints.early_stop
    pace = Pace(plan)

    def goes_on() -> bool:
        return done.step < done.ends_at(plan.total_steps) and not done.is_stale(patience)

    # However this ends, the readers of its epoch stop.
    with contextlib.closing(steps_left(state, context, loaders.train_at, step=step)) as left:
        while goes_on():
            taken = next(left)
            recorder.step(taken)
            recorder.stretch(pace.after(taken.seconds, done, spent=recorder.seconds))
            stopping = any_process(stop.requested, device=context.normalise.device)
            evaluates = plan.evaluates_after(done.step, last=done.ends_at(plan.total_steps))
            if evaluates:
                validate(state, loaders, context, plan, recorder)
            if stopping or evaluates or plan.saves_after(done.step):
                recorder.save(last=stopping)
            if stopping and goes_on():
                raise Interrupted(recorder.how_to_go_on())


def _check(plan: Plan, recipe: Recipe) -> None:
    old, new = flatten(plan.recipe), flatten(recipe.to_json())
    if old != new:
        changed = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
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
    if recipe.examples.balance == "weights":
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
        warmup_steps=plan.warmup_steps,
    )


def _begin(
    net: nn.Module,
    data: Data,
    context: Context,
    loaders: Loaders,
    recorder: Recorder,
    *,
    resume: bool,
) -> TrainState:
    """Return what is trained: as it was saved, or new, after its head phase if there is one."""
    plan, recipe = recorder.plan, context.recipe
    saved = recorder.begin(resume=resume)
    if recipe.head.steps and saved is not None:
        shape_head(net, context.classes, like=saved.tensors)
    elif recipe.head.steps:
        recorder.head(train_head(net, data, context, workers=plan.workers, images=plan.head_images))
    state = TrainState.of(net, recipe)
    if saved is not None:
        state.restore(saved)
    recorder.follow(state)
    if saved is None:
        if recipe.head.steps:
            validate(state, loaders, context, plan, recorder)
        recorder.save(last=plan.total_steps == 0)
    state.model = wrapped(view_of(net, plan.kernels))
    return state


def _finish(state: TrainState, loaders: Loaders, plan: Plan, recorder: Recorder) -> TrainResult:
    state.choose_weights()
    state.net.eval()
    done = state.progress
    final = predictions(state.net, loaders, plan)
    images = done.step * plan.batch
    return TrainResult(
        steps=done.step,
        epochs=done.step / plan.steps_per_epoch,
        seconds=recorder.seconds,
        images_per_second=images / max(recorder.seconds, 1e-9),
        val_top1=final.top1,
        val_top5=final.top5,
        val_loss=final.loss,
        best_step=done.step if state.ema is not None else done.best_step,
        weights="best" if state.ema is None else "ema",
        history=tuple(done.history),
    )
