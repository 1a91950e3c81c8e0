"""`fit`: from data and a latency budget to a trained, deployed and reported network."""

import contextlib
import shlex
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fleetfoot.core.errors import (
    BudgetError,
    FleetfootError,
    Interrupted,
    MissingError,
    UsageError,
    require,
)
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.data.audit import audit
from fleetfoot.data.open_data import absolute, open_data
from fleetfoot.data.samples import Data
from fleetfoot.jobs.requests import FitRequest
from fleetfoot.jobs.run_data import open_run_data, write_data
from fleetfoot.jobs.run_record import RunRecord
from fleetfoot.jobs.runs import alone_on, check_run_folder, new_run_folder
from fleetfoot.jobs.screen import lines, number, percent, with_golden
from fleetfoot.jobs.stored_run import filled_in, read_run, write_run
from fleetfoot.measure.device import usable_threads
from fleetfoot.train.process.patience import patient_threads

if TYPE_CHECKING:
    from fleetfoot.recipes.run import RunResult
    from fleetfoot.recipes.run_spec import RunSpec
    from fleetfoot.train.process.distributed import Process


OF_CHOSEN = ("engine", "precision", "threads", "latency_ms_p50", "latency_ms_p90", "top1")


@dataclass(frozen=True, kw_only=True)
class FitBundle:
    """The deployed form; `top1` is measured on the gate images."""

    path: str
    engine: str
    precision: str
    threads: int
    size: int
    latency_ms_p50: float
    latency_ms_p90: float | None
    top1: float | None


@dataclass(frozen=True, kw_only=True)
class FitParity:
    """Deployed against trained: share of equal first choices, largest difference of logits."""

    top1_agreement: float | None
    max_logit_difference: float | None


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """What `fit` prints; accuracies are fractions, with their Wilson 95 % interval.

    `budget_met` is None without a budget; `test_top1` is None without a test split.
    """

    run: str
    net: str
    val_top1: float
    val_top1_low: float
    val_top1_high: float
    val_top5: float | None
    test_top1: float | None
    test_top1_low: float | None
    test_top1_high: float | None
    epochs: float
    train_seconds: float
    images_per_second: float
    budget_met: bool | None
    bundle: FitBundle
    eager_latency_ms_p50: float | None
    parity: FitParity

    @property
    def exit_code(self) -> int:
        """That of a missed budget, which is no error: the bundle is there."""
        return BudgetError.exit_code if self.budget_met is False else 0


def fit(request: FitRequest, *, listener: Listener = SILENT) -> FitRecord:
    """Audit, choose, train, evaluate, deploy and report; every file goes into one run folder.

    Returns:
        The record that ``fleetfoot fit --json`` prints; ``budget_met`` says whether the deployed
        network kept the budget.

    Raises:
        UsageError: a word or value that does not exist.
        DataError: data that cannot be trained on.
        BudgetError: no candidate is within the budget; nothing was trained.
        GateError: not even the float32 form agrees with the trained network.
        TrainingError: the loss is not a number, or the state cannot be saved.
        Interrupted: stopped by the user; the state was saved.
        MissingError: a package or device that this needs is not there.
    """
    with patient_threads():
        require("torch", extra="train")
    from fleetfoot.train.process.distributed import from_first, process_group

    if request.resume is not None:
        run = request.resume
        read_run(run)  # refuses what is no run
        with process_group(device=_device("auto")) as process, _alone(run, process):
            return _go_on(run, listener)
    request = filled_in(request)
    with (
        process_group(device=_device(request.device or "auto")) as process,
        contextlib.ExitStack() as held,
    ):
        folder, opened = None, None
        if process.is_first:
            folder, opened = _prepare(request, listener, held)
        made: Path = from_first(folder)
        try:
            return _go_on(made, listener, opened=opened)
        except UsageError:  # the words do not go together: there is nothing to go on with
            if process.is_first and not (made / "plan.json").exists():
                shutil.rmtree(made, ignore_errors=True)
            raise


def _prepare(
    request: FitRequest, listener: Listener, held: contextlib.ExitStack
) -> tuple[Path, Data]:
    """Open the data, choose, and make a run folder that holds all that decides the run."""
    from fleetfoot.jobs.decide import check, decide, spec_of
    from fleetfoot.recipes.run_spec import initial_weights

    if not request.data:
        raise UsageError("name the data: a folder, a table, digits, mnist:DIR or cifar10:DIR")
    check(request)
    check_run_folder(request.out)
    device = _device(request.device or "auto")
    listener.stage(f"data: opening {request.data}")
    data = open_data(request.data, **request.tolerances)
    listener.message(_in_words(data))
    found = audit(data)
    request = replace(request, data=absolute(request.data))
    if request.threads is not None:
        request = replace(request, threads=usable_threads(request.threads, listener.message))
    choice, decided, recipe = decide(request, data, device=device, listener=listener)
    spec = spec_of(decided, recipe)
    folder = new_run_folder(spec.data, out=request.out)
    held.enter_context(alone_on(folder))
    check_run_folder(request.out)  # again: another may have taken it meanwhile
    listener.message(f"run folder: {folder}")
    try:
        RunRecord(folder).begin(
            net=spec.net,
            seed=spec.recipe.seed,
            data=spec.data,
            **decided.tolerances,
            choice=choice,
            initial_weights=initial_weights(spec),
            budget_ms=spec.budget_ms,
        )
        write_data(folder, data, audit=found)
        write_run(folder, decided, recipe)
    except BaseException:  # a folder without all that decides a run is none
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, data


def _alone(run: Path, process: "Process") -> contextlib.AbstractContextManager[None]:
    """Hold the run folder in the one process that writes to it."""
    return alone_on(run) if process.is_first else contextlib.nullcontext()


def _go_on(folder: Path, listener: Listener, *, opened: Data | None = None) -> FitRecord:
    """Run what a run folder says, from its last state if it has one."""
    from fleetfoot.jobs.decide import spec_of

    decided, recipe = read_run(folder)
    spec = spec_of(decided, recipe)
    if opened is None:
        opened = open_run_data(folder, listener=listener, otherwise="start a new run")
    planned = (folder / "plan.json").is_file()
    return _run(spec, opened, folder, listener, resume=planned)


def _run(
    spec: "RunSpec", data: Data, folder: Path, listener: Listener, *, resume: bool
) -> FitRecord:
    """Run, and leave in run.json and the report how it ended; the first process writes."""
    from fleetfoot.recipes.run import run
    from fleetfoot.report.write_report import write_report
    from fleetfoot.train.process.distributed import from_first

    record = RunRecord(folder)
    started = time.perf_counter()
    try:
        result = run(spec, data, folder=folder, listener=listener, resume=resume)
    except KeyboardInterrupt:
        command = f"fleetfoot fit --resume {shlex.quote(str(folder))}"
        stopped = Interrupted(f"stopped; `{command}` goes on")
        _end_with(stopped, record)
        raise stopped from None
    except (FleetfootError, OSError) as error:
        _end_with(error, record)
        raise
    if result is None:
        return from_first(None)
    done = _record(spec, folder, result)
    record.end(
        exit_code=done.exit_code,
        status="finished",
        budget={"budget_ms": spec.budget_ms, "met": done.budget_met},
        seconds=round(time.perf_counter() - started, 1),
        train_seconds=round(result.training.seconds, 1),
        surgeries=result.surgeries,
    )
    listener.stage("report")
    write_report(folder)
    return from_first(done)


def _end_with(error: Exception, record: RunRecord) -> None:
    """Note how the run ended; where the disk is full too, the error itself is what counts."""
    from fleetfoot.train.process.distributed import this_process

    if this_process().is_first:
        with contextlib.suppress(OSError):
            code = getattr(error, "exit_code", 1)
            record.end(exit_code=code, status=type(error).__name__, error=str(error))


def _record(spec: "RunSpec", folder: Path, result: "RunResult") -> FitRecord:
    chosen, training = result.bundle.chosen, result.training
    eager = next((b for b in result.bundle.content["baselines"] if b["engine"] == "eager"), {})
    parity = chosen["parity"] or {}
    return FitRecord(
        run=str(folder),
        net=spec.net,
        **_top1("val", result.val),
        val_top5=result.val.top5,
        **_top1("test", result.test),
        epochs=training.epochs,
        train_seconds=training.seconds,
        images_per_second=training.images_per_second,
        budget_met=result.bundle.budget_met,
        bundle=FitBundle(
            path=str(folder / "bundle"),
            size=spec.size,
            **{key: chosen[key] for key in OF_CHOSEN},
        ),
        eager_latency_ms_p50=eager.get("latency_ms_p50"),
        parity=FitParity(
            top1_agreement=parity.get("top1_agreement"),
            max_logit_difference=parity.get("max_logit_difference"),
        ),
    )


def _top1(split: str, found: Any) -> dict[str, Any]:
    """Return top-1 and its interval with the keys of a split; None where there is no such split."""
    names = ("top1", "top1_low", "top1_high")
    return {f"{split}_{name}": getattr(found, name, None) for name in names}


def _device(word: str) -> str:
    """Return "cpu" or a CUDA device that is there.

    Raises:
        UsageError: another word.
        MissingError: no GPU here.
    """
    import torch

    there = torch.cuda.is_available()
    if word == "auto":
        return "cuda" if there else "cpu"
    if word == "cpu":
        return word
    kind, _, number = word.partition(":")
    if kind != "cuda" or not (number == "" or number.isdigit()):
        raise UsageError(f"--device {word}: is not auto, cpu, cuda or cuda:N")
    if not there or int(number or 0) >= torch.cuda.device_count():
        raise MissingError(f"--device {word}: this machine has no such GPU; try --device cpu")
    return word


def _in_words(data: Data) -> str:
    parts = [f"{len(split):,} {name}" for name, split in data.splits.items()]
    held_out = " (held out of training)" if data.held_out else ""
    notes = "".join(f"\n  {note}" for note in data.notes)
    return f"{data.name}: {len(data.classes)} classes, {', '.join(parts)}{held_out}{notes}"


def show(record: FitRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    bundle, parity = record.bundle, record.parity
    top5 = "" if record.val_top5 is None else f" (top-5 {percent(record.val_top5)})"
    training = (
        f"{record.epochs:.4g} epochs in {record.train_seconds:.1f} s, "
        f"{record.images_per_second:,.0f} images/s"
    )
    deployed = (
        f"{number(bundle.latency_ms_p50)} ms (p90 {number(bundle.latency_ms_p90)}), "
        f"{bundle.engine} {bundle.precision}, threads {bundle.threads}, {bundle.size} px"
    )
    agreement, largest = percent(parity.top1_agreement), number(parity.max_logit_difference)
    pairs = [
        ("run", record.run),
        ("network", record.net),
        ("validation", f"{_accuracy(record, 'val_top1')}{top5}"),
        *([("test", _accuracy(record, "test_top1"))] if record.test_top1 is not None else []),
        ("training", training),
        ("bundle", with_golden(bundle.path)),
        ("deployed", deployed),
        ("accuracy", f"{percent(bundle.top1)} (deployed form)"),
        ("eager", f"{number(record.eager_latency_ms_p50)} ms"),
        ("parity", f"{agreement} of answers equal, logits within {largest}"),
    ]
    if record.budget_met is not None:
        pairs.append(("budget", "met" if record.budget_met else "NOT met"))
    pairs += [
        ("report", str(Path(record.run) / "report.html")),
        ("next", f"fleetfoot predict {shlex.quote(record.run)} IMAGE..."),
    ]
    lines(stream, pairs)


def _accuracy(record: FitRecord, key: str) -> str:
    value, low, high = (getattr(record, name) for name in (key, f"{key}_low", f"{key}_high"))
    return f"{percent(value)} ({100 * low:.1f} to {percent(high)}, 95 % interval)"
