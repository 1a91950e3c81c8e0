"""`fit`: from data and a latency budget to a trained, deployed and reported network."""

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetfoot.core.errors import (
    DataError,
    FleetfootError,
    Interrupted,
    MissingError,
    UsageError,
    require,
)
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.data.audit import audit
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Data
from fleetfoot.jobs.run_record import RunRecord, check_same_data, write_data
from fleetfoot.jobs.runs import new_run_folder
from fleetfoot.jobs.settings import (
    apply_settings,
    read_config,
    recipe_settings,
    run_settings,
    write_config,
)

if TYPE_CHECKING:
    from fleetfoot.recipes.run import RunResult
    from fleetfoot.recipes.run_spec import RunSpec


# Words that a stored run may have, too.
WORDS = frozenset(
    (
        *("data", "net", "budget", "recipe", "weights", "epochs", "minutes", "device", "seed"),
        *("threads", "size", "max_drop", "skip_damaged", "allow_class_mismatch", "methods"),
    )
)
# Fields of RunSpec, besides the recipe, that config.toml keeps.
RUN_FIELDS = ("data", "net", "size", "weights", "device", "threads", "budget_ms", "max_drop")


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


def fit(  # noqa: PLR0913  the words of the verb
    data: str | None = None,
    *,
    net: str | None = None,
    budget: str | float | None = None,
    recipe: str | None = None,
    methods: Sequence[str] = (),
    weights: str = "auto",
    epochs: int | None = None,
    minutes: float | None = None,
    out: str | None = None,
    resume: str | None = None,
    device: str = "auto",
    seed: int | None = None,
    threads: int | None = None,
    size: int | None = None,
    max_drop: float | None = None,
    skip_damaged: bool = False,
    allow_class_mismatch: bool = False,
    settings: Mapping[str, str] | None = None,
    config: Path | None = None,
    listener: Listener | None = None,
) -> FitRecord:
    """Audit, choose, train, evaluate, deploy and report; every file goes into one run folder.

    Args:
        data: folder, table file, "digits", "mnist:DIR" or "cifar10:DIR".
        net: network to train; None chooses.
        budget: latency the deployed network must keep, such as "5ms" or a number of milliseconds.
        recipe: name of a recipe; None chooses.
        methods: words of methods of training, such as "cutout:side=8", besides the recipe's.
        weights: initial weights: "auto" (published ones that are installed), "none" or a path.
        epochs: passes over the training images; or
        minutes: time for training, to which the schedule is fitted.
        out: run folder; None is ``runs/NAME``, never overwritten.
        resume: run folder to go on with; takes everything else from there.
        device: "auto", "cpu" or "cuda".
        seed: of everything random; None is 0, or what ``config`` says.
        threads: threads of the deployed network; None is 1.
        size: side of the square input, pixels; None chooses.
        max_drop: share of the gate images that the deployed form may lose; None is 0.01.
        skip_damaged: leave damaged files out instead of stopping.
        allow_class_mismatch: leave out images of classes that are not in the training split.
        settings: fields of the recipe to change, by dotted name.
        config: settings file, such as ``config.toml`` of an earlier run.
        listener: hears how it gets on.

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
    given = _given(locals())
    require("torch", extra="train")
    from fleetfoot.train.distributed import from_first, process_group

    listener = listener or Silent()
    if resume is not None:
        if given or settings or config or out:
            raise UsageError("--resume takes everything from the run folder; leave the rest out")
        with process_group(device=_device(device)):
            return _go_on(Path(resume), listener)
    stored = read_config(config) if config else {}
    words = {**_words_of(stored), **given}
    changes = {**recipe_settings(stored), **(settings or {})}
    with process_group(device=_device(str(words.get("device", "auto")))) as process:
        folder, opened = None, None
        if process.is_first:
            folder, opened = _prepare(words, changes, out=out, listener=listener)
        made: Path = from_first(folder)
        try:
            return _go_on(made, listener, opened=opened)
        except UsageError:  # the words do not go together: there is nothing to go on with
            if process.is_first and not (made / "plan.json").exists():
                shutil.rmtree(made, ignore_errors=True)
            raise


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of `fit` that were given; config.toml of an earlier run fills the others."""
    return {
        name: value
        for name, value in arguments.items()
        if name in WORDS and value not in (None, "auto", (), []) and value is not False
    }


def _prepare(
    words: dict[str, Any], changes: Mapping[str, Any], *, out: str | None, listener: Listener
) -> tuple[Path, Data]:
    """Open the data, choose, and make a run folder that holds all that decides the run."""
    from fleetfoot.jobs.settle import check, settle
    from fleetfoot.recipes.run_spec import initial_weights

    if not words.get("data"):
        raise UsageError("name the data: a folder, a table, digits, mnist:DIR or cifar10:DIR")
    check(words, changes)
    device = _device(words.get("device", "auto"))
    listener.stage(f"data: opening {words['data']}")
    data = open_data(words["data"], **_tolerances(words))
    listener.message(_in_words(data))
    found = audit(data)
    choice, spec = settle(words, data, changes=changes, device=device, listener=listener)
    folder = new_run_folder(spec.data, out=out)
    listener.message(f"run folder: {folder}")
    RunRecord(folder).begin(
        net=spec.net,
        seed=spec.recipe.seed,
        data=spec.data,
        choice=choice,
        initial_weights=initial_weights(spec),
        budget_ms=spec.budget_ms,
    )
    write_data(folder, data, audit=found)
    run = {name: getattr(spec, name) for name in RUN_FIELDS}
    run |= {"recipe": choice.recipe, **_tolerances(words)}
    write_config(folder / "config.toml", spec.recipe, run=run)
    return folder, data


def _go_on(folder: Path, listener: Listener, *, opened: Data | None = None) -> FitRecord:
    """Run what a run folder says, from its last state if it has one."""
    from fleetfoot.recipes.run_spec import RunSpec
    from fleetfoot.train.recipe import Recipe

    if not (folder / "config.toml").exists():
        raise DataError(f"{folder}: is no run folder (no config.toml); --resume takes one of `fit`")
    stored = read_config(folder / "config.toml")
    words = _words_of(stored)
    recipe = apply_settings(Recipe(), recipe_settings(stored), source=str(folder / "config.toml"))
    spec = RunSpec(recipe=recipe, **{name: words[name] for name in RUN_FIELDS})
    if opened is None:
        listener.stage(f"data: opening {spec.data}")
        opened = open_data(spec.data, **_tolerances(words))
        check_same_data(folder, opened)
    planned = (folder / "plan.json").is_file()
    return _run(spec, opened, folder, listener, resume=planned)


def _run(
    spec: "RunSpec", data: Data, folder: Path, listener: Listener, *, resume: bool
) -> FitRecord:
    """Run, and leave in run.json and the report how it ended; the first process writes."""
    from fleetfoot.recipes.run import run
    from fleetfoot.report.write_report import write_report
    from fleetfoot.train.distributed import from_first

    record = RunRecord(folder)
    started = time.perf_counter()
    try:
        result = run(spec, data, folder=folder, listener=listener, resume=resume)
    except KeyboardInterrupt:
        stopped = Interrupted(f"stopped; `fleetfoot fit --resume {folder}` goes on")
        _end_with(stopped, record)
        raise stopped from None
    except (FleetfootError, OSError) as error:
        _end_with(error, record)
        raise
    if result is None:
        return from_first(None)
    met = result.bundle.budget_met
    record.end(
        exit_code=0 if met is not False else 4,
        status="finished",
        budget={"budget_ms": spec.budget_ms, "met": met},
        seconds=round(time.perf_counter() - started, 1),
        train_seconds=round(result.training.seconds, 1),
    )
    listener.stage("report")
    write_report(folder)
    return from_first(_record(spec, folder, result))


def _end_with(error: Exception, record: RunRecord) -> None:
    """Note how the run ended; where the disk is full too, the error itself is what counts."""
    from fleetfoot.train.distributed import this_process

    if this_process().is_first:
        with contextlib.suppress(OSError):
            code = getattr(error, "exit_code", 1)
            record.end(exit_code=code, status=type(error).__name__, error=str(error))


def _record(spec: "RunSpec", folder: Path, result: "RunResult") -> FitRecord:
    chosen, content = result.bundle.chosen, result.bundle.content
    eager = next((y for y in content["yardsticks"] if y["engine"] == "eager"), {})
    own = next((c for c in content["candidates"] if c["kept"]), {})
    parity = own.get("parity") or {}
    return FitRecord(
        run=str(folder),
        net=spec.net,
        val_top1=result.val.top1,
        val_top1_low=result.val.top1_low,
        val_top1_high=result.val.top1_high,
        val_top5=result.val.top5,
        test_top1=None if result.test is None else result.test.top1,
        test_top1_low=None if result.test is None else result.test.top1_low,
        test_top1_high=None if result.test is None else result.test.top1_high,
        epochs=result.training.epochs,
        train_seconds=result.training.seconds,
        images_per_second=result.training.images_per_second,
        budget_met=result.bundle.budget_met,
        bundle=FitBundle(
            path=str(folder / "bundle"),
            engine=chosen["engine"],
            precision=chosen["precision"],
            threads=chosen["threads"],
            size=spec.size,
            latency_ms_p50=chosen["latency_ms_p50"],
            latency_ms_p90=chosen["latency_ms_p90"],
            top1=chosen["top1"],
        ),
        eager_latency_ms_p50=eager.get("latency_ms_p50"),
        parity=FitParity(
            top1_agreement=parity.get("top1_agreement"),
            max_logit_difference=parity.get("max_logit_difference"),
        ),
    )


def _tolerances(words: Mapping[str, Any]) -> dict[str, bool]:
    return {name: bool(words.get(name)) for name in ("skip_damaged", "allow_class_mismatch")}


def _words_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of a stored run; for ``weights`` the word "none" is one, not a blank."""
    words = run_settings(stored)
    return {**words, "weights": "none"} if words.get("weights", "auto") is None else words


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
