"""Make the plan: measure what a run takes on this machine, and decide how long it is."""

import copy
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from fleetfoot.core.listener import Listener, Silent
from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.results import to_json
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.measure.device import allowed_threads, usable_threads
from fleetfoot.train.head.phase import check_outputs, shape_head
from fleetfoot.train.loaders import Loaders, open_loaders
from fleetfoot.train.planning.choose_cell import choose_cell
from fleetfoot.train.planning.clock import Clock
from fleetfoot.train.planning.fit_steps import (
    Times,
    evaluation_interval,
    fitted_steps,
    head_images,
    minutes_left,
    run_seconds,
    state_interval,
)
from fleetfoot.train.planning.measure_steps import measure_times
from fleetfoot.train.planning.plan import Plan, in_words, write_plan
from fleetfoot.train.planning.task import Task
from fleetfoot.train.planning.ways import Cell, Way
from fleetfoot.train.process.distributed import from_first, this_process
from fleetfoot.train.process.exactness import exact_arithmetic
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Step, supervised_step

LEAST_STEPS = 4  # of a plan for minutes
WORKERS_PER_CPU = 8  # at most; where reading waits for a network, more than one


class _Found(NamedTuple):
    way: Way
    cells: tuple[Cell, ...]
    times: Times


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

    Under torchrun rank 0 measures, alone, and the others wait.

    Args:
        net: with its initial weights; copied for measuring, it stays as it is.
        data, recipe, preprocess, step: what `train` will be given.
        folder: the run folder.
        device: "cpu", "cuda" or "cuda:N".
        threads: of one operator on the CPU; None is what torch has now.
        progress: hears what is measured.

    Raises:
        TrainingError: the plan cannot be written.
    """
    started = time.perf_counter()
    process = this_process()
    plan: Any = None
    if process.is_first:
        threads = threads or min(torch.get_num_threads(), allowed_threads())
        task = Task(
            net=net,
            recipe=recipe,
            preprocess=preprocess,
            classes=len(data.classes),
            device=device,
            step=step,
        )
        with exact_arithmetic(threads=threads, device=torch.device(device)):
            plan = _measured_plan(task, data, started=started, listener=progress or Silent())
        write_plan(folder, plan)
        if progress is not None:
            progress.message(in_words(plan))
    if process.world == 1:
        return plan
    return from_first(None if plan is None else replace(plan, loaders=None))


def _measured_plan(task: Task, data: Data, *, started: float, listener: Listener) -> Plan:
    recipe, net = task.recipe, task.net
    loaders = open_loaders(
        data, recipe, preprocess=task.preprocess, workers=_workers(recipe, listener)
    )
    check_outputs(net, recipe, classes=loaders.classes)
    if recipe.head.steps:
        net = copy.deepcopy(net)
        shape_head(net, loaders.classes)
    task = replace(task, net=net)
    per_epoch = loaders.train.steps_per_epoch
    asked = time.perf_counter()
    with measuring(listener):
        started += time.perf_counter() - asked  # the minutes are not for waiting
        clock = Clock.for_planning(recipe.minutes, started=started)
        way, cells = choose_cell(
            task,
            images=len(loaders.train_split),
            clock=clock,
            steps=None if recipe.minutes else per_epoch * (recipe.epochs or 1),
            listener=listener,
        )
        known = next((cell.step_ms / 1e3 for cell in cells if cell.way == way), None)
        times = measure_times(task, loaders, way=way, clock=clock, known=known)
    step, evaluation = f"{times.step * 1e3:,.0f} ms a step", f"{times.evaluation:.1f} s"
    listener.message(f"  with its images {step}; an evaluation {evaluation}")
    planning = time.perf_counter() - started
    return _decided(
        recipe, loaders, _Found(way, cells, times), device=task.device, planning=planning
    )


def _decided(
    recipe: Recipe, loaders: Loaders, found: "_Found", *, device: str, planning: float
) -> Plan:
    """Return the plan that follows from what was measured in ``planning`` seconds."""
    way, times, per_epoch = found.way, found.times, loaders.train.steps_per_epoch
    images = len(loaders.train_split)
    used = head_images(images, times, minutes=recipe.minutes)
    times = replace(times, head=times.head * used / images)
    total = _total_steps(recipe, times, per_epoch, planning=planning)
    every = recipe.checkpoints.evaluate_every or _interval(recipe, total, times, per_epoch)
    states = recipe.checkpoints.state_every
    if states is None:
        states = state_interval(times, steps_per_epoch=per_epoch, every=every)
    return Plan(
        total_steps=total,
        steps_per_epoch=per_epoch,
        warmup_steps=round(recipe.schedule.warmup * total),
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
        world=this_process().world,
        minutes=recipe.minutes,
        expected_seconds=run_seconds(total, times, steps_per_epoch=per_epoch, every=every),
        planning_seconds=planning,
        step_ms=times.step * 1e3,
        evaluation_seconds=times.evaluation,
        head_seconds=times.head,
        head_images=used,
        measured=found.cells,
        input=to_json(loaders.train.profile),
        recipe=recipe.to_json(),
        loaders=loaders,
    )


def _total_steps(recipe: Recipe, times: Times, per_epoch: int, *, planning: float) -> int:
    if recipe.head.only:
        return 0
    if recipe.minutes is None:
        return per_epoch * (recipe.epochs or 1)
    available = minutes_left(recipe.minutes, planning)
    every = recipe.checkpoints.evaluate_every
    fitting = fitted_steps(available, times, steps_per_epoch=per_epoch, every=every)
    # So few are an estimate of a busy moment: the run is shrunk after its first step, or stretched.
    return fitting if this_process().world > 1 else max(fitting, LEAST_STEPS)


def _interval(recipe: Recipe, total: int, times: Times, per_epoch: int) -> int:
    """Epochs between evaluations; with `epochs`, two plans of one recipe agree on it."""
    if recipe.epochs is not None or recipe.head.only:
        times = Times(step=1.0, evaluation=0.0)
    return evaluation_interval(total, times, steps_per_epoch=per_epoch)


def _workers(recipe: Recipe, listener: Listener) -> int:
    asked, most = recipe.compute.workers, WORKERS_PER_CPU * allowed_threads()
    if asked is None:
        return torch.get_num_threads()
    return usable_threads(asked, listener.message, word="workers", allowed=most)
