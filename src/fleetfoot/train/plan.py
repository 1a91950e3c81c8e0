"""The plan: what the machine decides about a run, on disk before step 1 and never changed.

With `minutes` the step count is fitted to the measured time of a step, its images' loading
included. Every later choice (learning rate, evaluations, saved states) is a function of the plan
and of the step, so a resumed run has nothing to measure and nothing to decide.
"""

import copy
import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fleetfoot.core.errors import DataError, TrainingError
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.results import to_json
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.train.distributed import from_first, this_process
from fleetfoot.train.exactness import exact_arithmetic
from fleetfoot.train.fit_steps import (
    Times,
    evaluation_interval,
    fitted_steps,
    head_images,
    run_seconds,
    state_interval,
)
from fleetfoot.train.head import check_outputs, shape_head
from fleetfoot.train.loaders import Loaders, open_loaders
from fleetfoot.train.measure_steps import (
    Cell,
    Kernels,
    Layout,
    Precision,
    choose_cell,
    measure_times,
)
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps import Step, supervised_step

SCHEMA, SCHEMA_BEFORE = "fleetfoot.plan/2", "fleetfoot.plan/1"
FILE = "plan.json"
MARGIN = 0.08  # of the minutes, for what was not measured and a machine that slows down


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does, step by step.

    Attributes:
        total_steps: steps of the run; the last epoch may be cut short.
        steps_per_epoch: steps of a whole epoch.
        warmup_steps: steps of rising learning rate.
        evaluate_every: epochs between evaluations; the end of the run is always evaluated.
        state_every: steps between saved states besides those at evaluations; 0 for none.
        batch: images per step, over all processes.
        seed: of the recipe.
        device: "cpu", "cuda" or "cuda:N".
        precision, layout, kernels: how the network is computed; "fused" kernels are our own
            (`train.fused_view`).
        threads: of one operator on the CPU.
        workers: processes that read images; 0 reads in the training process.
        world: number of processes under torchrun.
        minutes: what was asked for, or None.
        expected_seconds: head, steps and evaluations, by the measurement.
        planning_seconds: what the measurement itself took.
        step_ms: mean time of a step, loading included.
        evaluation_seconds: one evaluation of the validation images.
        head_seconds: the head phase.
        head_images: training images that it uses: all, unless the minutes are short.
        measured: the ways to compute that were compared.
        input: the loader's account of where input time goes.
        recipe: the recipe, as JSON.
        loaders: the loaders that measured, with what they hold in memory; not written.
    """

    total_steps: int
    steps_per_epoch: int
    warmup_steps: int
    evaluate_every: int
    state_every: int
    batch: int
    seed: int
    device: str
    precision: Precision
    layout: Layout
    kernels: Kernels
    threads: int
    workers: int
    world: int
    minutes: float | None
    expected_seconds: float
    planning_seconds: float
    step_ms: float
    evaluation_seconds: float
    head_seconds: float
    head_images: int
    measured: tuple[Cell, ...]
    input: dict[str, Any]
    recipe: dict[str, Any]
    loaders: Loaders | None = field(default=None, repr=False, compare=False)

    @property
    def epochs(self) -> float:
        """Length of the run in epochs."""
        return self.total_steps / self.steps_per_epoch

    def evaluates_after(self, step: int) -> bool:
        """Return whether the network is evaluated, and its state saved, after ``step`` steps."""
        if step == self.total_steps:
            return True
        epoch, rest = divmod(step, self.steps_per_epoch)
        return rest == 0 and epoch % self.evaluate_every == 0

    def saves_after(self, step: int) -> bool:
        """Return whether the state is saved after ``step`` steps without an evaluation."""
        return self.state_every > 0 and step % self.state_every == 0


def write_plan(folder: Path, plan: Plan) -> None:
    """Write ``plan.json`` into the run folder.

    Raises:
        TrainingError: it cannot be written; without it no run can be exact.
    """
    try:
        record = to_json(replace(plan, loaders=None), schema=SCHEMA)
        del record["loaders"]
        write_json(folder / FILE, record)
    except OSError as error:
        raise TrainingError(
            f"{folder / FILE}: cannot be written ({error.strerror or error}); free some space or "
            "choose another --out"
        ) from error


def read_plan(folder: Path) -> Plan:
    """Return the plan of a run folder.

    Raises:
        DataError: it is missing or damaged.
    """
    path = folder / FILE
    record = read_json(path, what="run")
    schema = record.pop("schema", None)
    if schema == SCHEMA_BEFORE:
        _complete(record)
    elif schema != SCHEMA:
        raise DataError(f"{path}: is no {SCHEMA}; this version cannot resume the run")
    names = {field.name for field in fields(Plan)} - {"loaders"}
    if set(record) != names:
        odd = ", ".join(sorted(set(record) ^ names))
        raise DataError(f"{path}: the plan is damaged ({odd})")
    record["measured"] = tuple(Cell(**cell) for cell in record["measured"])
    return Plan(**record)


def _complete(record: dict[str, Any]) -> None:
    """Add to a plan of before what it did not know, as it was then."""
    for way in (record, *record.get("measured", ())):
        way["kernels"] = "torch"
    record.get("recipe", {})["kernels"] = "auto"


def make_plan(  # noqa: PLR0913  what `train` gets, and where to measure it
    net: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    preprocess: Preprocess,
    folder: Path,
    device: str = "cpu",
    threads: int | None = None,
    step: Step = supervised_step,
    progress: Listener | None = None,
) -> Plan:
    """Measure, decide, write ``plan.json`` and return the plan.

    ``net`` is copied for measuring and stays as it is. Under torchrun rank 0 measures, alone, and
    the others wait.

    Args:
        net: the network to be trained, with its initial weights.
        data: the data set.
        recipe: how to train.
        preprocess: from decoded image to network input.
        folder: the run folder.
        device: "cpu", "cuda" or "cuda:N".
        threads: of one operator on the CPU; None is what torch has now.
        step: what `train` will be given.
        progress: hears what is measured.

    Raises:
        TrainingError: the plan cannot be written.
    """
    started = time.perf_counter()
    process = this_process()
    plan: Any = None
    if process.is_first:
        threads = threads or torch.get_num_threads()
        with exact_arithmetic(threads=threads, device=torch.device(device)):
            plan = _measured_plan(
                net,
                data,
                recipe,
                preprocess=preprocess,
                device=device,
                started=started,
                step=step,
                listener=progress or Silent(),
            )
        write_plan(folder, plan)
        if progress is not None:
            progress.message(in_words(plan))
    if process.world == 1:
        return plan
    return from_first(None if plan is None else replace(plan, loaders=None))


def in_words(plan: Plan) -> str:
    """Return the plan in one line, with the measured step times of every way to compute."""
    cells = ", ".join(f"{_way_in_words(cell)} {cell.step_ms:.1f} ms" for cell in plan.measured)
    compared = f" (measured: {cells})" if cells else ""
    short = (
        ", too few to see every image once" if 0 < plan.total_steps < plan.steps_per_epoch else ""
    )
    return (
        f"{plan.total_steps} steps = {plan.epochs:.1f} epochs of batch {plan.batch}{short}, "
        f"{_way_in_words(plan)}{compared}, {plan.step_ms:.1f} ms a step with its images, "
        f"{plan.threads} threads, {plan.workers} workers, "
        f"about {plan.expected_seconds:.0f} s in all"
    )


def _way_in_words(way: Cell | Plan) -> str:
    ours = ", fused kernels" if way.kernels == "fused" else ""
    return f"{way.precision} {way.layout}{ours}"


def _measured_plan(
    net: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    preprocess: Preprocess,
    device: str,
    started: float,
    step: Step,
    listener: Listener,
) -> Plan:
    process = this_process()
    loaders = open_loaders(data, recipe, preprocess=preprocess, workers=_workers(recipe))
    check_outputs(net, recipe, classes=loaders.classes)
    if recipe.head_steps:
        net = copy.deepcopy(net)
        shape_head(net, loaders.classes)
    per_epoch = loaders.train.steps_per_epoch
    asked = time.perf_counter()
    with measuring(listener):
        started += time.perf_counter() - asked  # the minutes are not for waiting
        way, cells = choose_cell(
            net,
            recipe,
            preprocess=preprocess,
            classes=len(data.classes),
            device=device,
            steps=None if recipe.minutes else per_epoch * (recipe.epochs or 1),
            step=step,
        )
        times = measure_times(net, recipe, loaders, way=way, device=device, step=step)
    images = len(loaders.train_split)
    used = head_images(images, times, minutes=recipe.minutes)
    times = replace(times, head=times.head * used / images)
    planning = time.perf_counter() - started
    if recipe.head_only:
        total = 0
    elif recipe.minutes is None:
        total = per_epoch * (recipe.epochs or 1)
    else:
        available = recipe.minutes * 60 * (1 - MARGIN) - planning
        total = fitted_steps(
            available, times, steps_per_epoch=per_epoch, every=recipe.evaluate_every
        )
    every = recipe.evaluate_every or _interval(recipe, total, times, per_epoch)
    states = recipe.state_every
    if states is None:
        states = state_interval(times, steps_per_epoch=per_epoch, every=every)
    return Plan(
        total_steps=total,
        steps_per_epoch=per_epoch,
        warmup_steps=round(recipe.warmup * total),
        evaluate_every=every,
        state_every=states,
        batch=recipe.batch,
        seed=recipe.seed,
        device=device,
        precision=way.precision,
        layout=way.layout,
        kernels=way.kernels,
        threads=torch.get_num_threads(),
        workers=loaders.workers,
        world=process.world,
        minutes=recipe.minutes,
        expected_seconds=run_seconds(total, times, steps_per_epoch=per_epoch, every=every),
        planning_seconds=planning,
        step_ms=times.step * 1e3,
        evaluation_seconds=times.evaluation,
        head_seconds=times.head,
        head_images=used,
        measured=cells,
        input=to_json(loaders.train.profile),
        recipe=to_json(recipe),
        loaders=loaders,
    )


def _interval(recipe: Recipe, total: int, times: Times, per_epoch: int) -> int:
    """Epochs between evaluations; with `epochs`, two plans of one recipe agree on it."""
    if recipe.epochs is not None or recipe.head_only:
        times = Times(step=1.0, evaluation=0.0)
    return evaluation_interval(total, times, steps_per_epoch=per_epoch)


def _workers(recipe: Recipe) -> int:
    return torch.get_num_threads() if recipe.workers is None else recipe.workers
