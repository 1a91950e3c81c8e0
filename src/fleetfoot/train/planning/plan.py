"""The plan: what the machine decides about a run, on disk before step 1 and never changed.

With `minutes` the step count is fitted to the measured time of a step, its images' loading
included. Every later choice (learning rate, evaluations, saved states) is a function of the plan
and of the step, so a resumed run has nothing to measure and nothing to decide.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fleetfoot.core.arguments import at_least, of_kind
from fleetfoot.core.errors import DataError, TrainingError, UsageError, first_line
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.results import to_json
from fleetfoot.train.loaders import Loaders
from fleetfoot.train.planning.ways import Cell, Kernels, Layout, Precision, Way
from fleetfoot.train.recipe import Recipe

SCHEMA, WITH_FLAT_RECIPE = "fleetfoot.plan/3", ("fleetfoot.plan/2", "fleetfoot.plan/1")
FILE = "plan.json"


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
            (`train.fused.fused_view`).
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

    def evaluates_after(self, step: int, *, last: int) -> bool:
        """Return whether the network is evaluated, and its state saved, after ``step`` steps.

        ``last`` is the step with which the run ends: `total_steps`, unless it was stretched.
        """
        if step == last:
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
    if schema in WITH_FLAT_RECIPE:
        _complete(record)
    elif schema != SCHEMA:
        raise DataError(f"{path}: is no {SCHEMA}; this version cannot resume the run")
    names = {field.name for field in fields(Plan)} - {"loaders"}
    if set(record) != names:
        odd = ", ".join(sorted(set(record) ^ names))
        raise DataError(f"{path}: the plan is damaged ({odd})")
    try:
        record["measured"] = tuple(Cell(**cell) for cell in record["measured"])
        for field in fields(Plan):
            if field.name in record:
                of_kind(record[field.name], field.type, field.name)
        for name in ("batch", "steps_per_epoch", "threads", "world"):
            at_least(1, record[name], name)
    except (TypeError, UsageError) as error:
        raise DataError(f"{path}: the plan is damaged ({first_line(error)})") from None
    return Plan(**record)


def _complete(record: dict[str, Any]) -> None:
    """Add to a plan of before what it did not know, as it was then."""
    for way in (record, *record.get("measured", ())):
        way.setdefault("kernels", "torch")
    record["recipe"] = Recipe.from_format_1(record.get("recipe", {})).to_json()


def in_words(plan: Plan) -> str:
    """Return the plan in one line, with the measured step times of every way to compute."""
    cells = ", ".join(f"{cell.way} {cell.step_ms:.1f} ms" for cell in plan.measured)
    compared = f" (measured: {cells})" if cells else ""
    way = Way(plan.precision, plan.layout, plan.kernels)
    short = (
        ", too few to see every image once" if 0 < plan.total_steps < plan.steps_per_epoch else ""
    )
    return (
        f"{plan.total_steps} steps = {plan.epochs:.1f} epochs of batch {plan.batch}{short}, "
        f"{way}{compared}, {plan.step_ms:.1f} ms a step with its images, "
        f"{plan.threads} threads, {plan.workers} workers, "
        f"about {plan.expected_seconds:.0f} s in all"
    )
