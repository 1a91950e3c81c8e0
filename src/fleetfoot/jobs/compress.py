"""`compress`: make a trained run smaller, and keep the result only if it is faster and as accurate.

int8      the run's weights, exported once more with the int8 form alone competing with float32
binary    fine-tuned with the method `binary`, from the run's weights, by the run's own recipe
density   likewise with `scl`: this share of the connections stays
channels  likewise with `channels`: this share of the filters of each layer stays

Both are then timed side by side, as they are deployed; what they get right is compared on the
gate's images of the run.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fleetfoot.core.errors import DataError, GateError, UsageError, require
from fleetfoot.core.files import read_json
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.core.machine_lock import measuring
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.cells import Cell, measure_cells
from fleetfoot.deploy.tune import EQUAL
from fleetfoot.jobs.deploy import deploy
from fleetfoot.jobs.fit import fit
from fleetfoot.jobs.requests import CompressRequest, DeployRequest, FitRequest
from fleetfoot.jobs.runs import check_run_folder, resolve
from fleetfoot.jobs.screen import lines, number, percent
from fleetfoot.jobs.stored_run import NAME as CONFIG
from fleetfoot.jobs.stored_run import read_run
from fleetfoot.measure.latency import Schedule

SCHEDULE = Schedule(min_samples=100, min_seconds=1.0, rounds=10, warm_up_seconds=0.5)
METHODS = {"binary": "binary", "density": "scl:density={}", "channels": "channels:keep={}"}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """One side of the comparison, as it is deployed.

    Attributes:
        bundle: its folder.
        engine: that answers.
        precision: that it computes in.
        latency_ms_p50: timed beside the other.
        top1: accuracy on the gate's images, a fraction; None without labels.
        weight_bytes: of the file with its weights.
    """

    bundle: str
    engine: str
    precision: str
    latency_ms_p50: float
    top1: float | None
    weight_bytes: int


@dataclass(frozen=True, kw_only=True)
class CompressRecord:
    """What `compress` prints.

    Attributes:
        run: the run folder.
        to: what was asked for.
        kept: whether the result is faster and accurate enough.
        why: in a sentence, with both figures.
        before: the run as it was deployed.
        after: the compressed form; None where the gate refused it.
        times_as_fast: latency before over after; None likewise.
        drop: accuracy that was lost, a fraction; None likewise, or without labels.
    """

    run: str
    to: str
    kept: bool
    why: str
    before: Deployed
    after: Deployed | None
    times_as_fast: float | None
    drop: float | None

    @property
    def exit_code(self) -> int:
        """That of the gate where nothing was kept."""
        return 0 if self.kept else GateError.exit_code


def compress(request: CompressRequest, *, listener: Listener = SILENT) -> CompressRecord:
    """Compress a run, fine-tune, gate, measure; the result is a folder only if it pays.

    Args:
        request: the words of the verb. The folder is ``RUN/compressed/WORD`` unless given.
        listener: hears how it gets on.

    Raises:
        UsageError: a word that does not exist, a network that has no such form, a folder in the
            way.
        DataError: no run folder of `fit`, or its data is missing or changed.
        MissingError: torch is not installed.
    """
    require("torch", extra="train")
    target = resolve(request.run)
    if target.kind != "run" or target.folder is None:
        raise UsageError(f"{request.run}: compress takes a run folder, which `fleetfoot fit` wrote")
    run = target.folder
    if not (run / "bundle" / "bundle.json").is_file():
        raise DataError(f"{run}: has no bundle yet; `fleetfoot fit --resume {run}` finishes it")
    out = request.out or run / "compressed" / request.to.replace("=", "-")
    check_run_folder(out)
    made, refused = None, ""
    try:
        make = _int8 if request.to == "int8" else _tuned
        made = make(request, run, out, listener)
    except GateError as error:
        refused = str(error)
    record = _compared(request, run, made, refused, listener)
    if not record.kept:
        shutil.rmtree(out, ignore_errors=True)
    return record


def _int8(request: CompressRequest, run: Path, out: Path, listener: Listener) -> Path:
    """Deploy the run with int8 and float32 alone; the bundle is made even if float32 wins."""
    words = DeployRequest(
        run=str(run), precision="int8,float32", max_drop=request.max_drop, threads=_threads(run),
        out=out,
    )  # fmt: skip
    record = deploy(words, listener=listener)
    if record.chosen["precision"] != "int8":
        tried = [c for c in record.candidates if c["precision"] == "int8"]
        best = next(
            (c for c in tried if c["latency_ms_p50"] is not None), tried[0] if tried else None
        )
        raise GateError(_why_no_int8(best, record.chosen))
    return out


def _why_no_int8(best: dict[str, Any] | None, chosen: dict[str, Any]) -> str:
    if best is None or best["latency_ms_p50"] is None:
        return f"no int8 form could be had ({best['reason'] if best else 'no engine has int8'})"
    top1 = "" if best["top1"] is None else f", {percent(best['top1'])} right"
    other = "" if chosen["top1"] is None else f", {percent(chosen['top1'])} right"
    return (
        f"int8 in {best['engine']} takes {number(best['latency_ms_p50'])} ms{top1}, float32 "
        f"{number(chosen['latency_ms_p50'])} ms{other}: {best['reason']}"
    )


def _tuned(request: CompressRequest, run: Path, out: Path, listener: Listener) -> Path:
    """Train on from the run's weights with the method of the word."""
    _, recipe = read_run(run)
    kind, _, value = request.to.partition("=")
    words = FitRequest(
        config=run / CONFIG,
        weights=str(run / "weights"),
        methods=(METHODS[kind].format(value),),
        epochs=request.epochs or max(1, round((recipe.epochs or 3) / 3)),
        out=out,
    )
    fit(words, listener=listener)
    return out


def _threads(run: Path) -> int:
    return int(read_json(run / "bundle" / "bundle.json", what="bundle")["chosen"]["threads"])


def _compared(
    request: CompressRequest, run: Path, made: Path | None, refused: str, listener: Listener
) -> CompressRecord:
    folders = [run / "bundle", *([] if made is None else [_bundle_in(made)])]
    listener.stage("measuring both side by side")
    with measuring(listener):
        sides = _measured(folders)
    before, after = sides[0], sides[1] if made is not None else None
    times = None if after is None else before.latency_ms_p50 / after.latency_ms_p50
    known = after is not None and before.top1 is not None and after.top1 is not None
    drop = (before.top1 or 0.0) - (after.top1 or 0.0) if after is not None and known else None
    faster = times is not None and times >= EQUAL
    accurate = drop is None or drop <= request.max_drop + 1e-9
    why = refused or _in_words(before, after, times, drop, request.max_drop)
    return CompressRecord(
        run=str(run),
        to=request.to,
        kept=faster and accurate,
        why=why,
        before=before,
        after=after,
        times_as_fast=times,
        drop=drop,
    )


def _bundle_in(folder: Path) -> Path:
    return folder if (folder / "bundle.json").is_file() else folder / "bundle"


def _measured(folders: list[Path]) -> list[Deployed]:
    loaded = [load(folder) for folder in folders]
    cells = [
        Cell(
            name=str(bundle.folder),
            engine=bundle.choice["engine"],
            precision=bundle.choice["precision"],
            layout=bundle.choice["layout"],
            threads=bundle.choice["threads"],
            input_shape=(
                1,
                *bundle.form.shape((bundle.preprocess.channels, *(bundle.preprocess.size,) * 2)),
            ),
            input_dtype=bundle.form.dtype,
            file=bundle.folder / bundle.choice["file"],
        )
        for bundle in loaded
    ]
    timings = measure_cells(cells, SCHEDULE)
    found: list[Deployed] = []
    for bundle, cell in zip(loaded, cells, strict=True):
        latency = timings[cell.name].latency
        if latency is None:
            raise DataError(f"{bundle.folder}: cannot be timed: {timings[cell.name].error}")
        file = bundle.folder / bundle.choice["file"]
        data = file.with_suffix(".bin") if file.suffix == ".xml" else file
        found.append(
            Deployed(
                bundle=str(bundle.folder),
                engine=bundle.choice["engine"],
                precision=bundle.choice["precision"],
                latency_ms_p50=latency.ms_p50,
                top1=bundle.record["chosen"]["top1"],
                weight_bytes=data.stat().st_size,
            )
        )
    return found


def _in_words(
    before: Deployed,
    after: Deployed | None,
    times: float | None,
    drop: float | None,
    allowed: float,
) -> str:
    if after is None or times is None:
        return "nothing was made"
    speed = (
        f"{number(after.latency_ms_p50)} ms in place of {number(before.latency_ms_p50)} ms, "
        f"{times:.2f} times as fast"
    )
    slow = "" if times >= EQUAL else " (must be faster)"
    if drop is None:
        return f"{speed}{slow}; without labels nothing is known of its accuracy"
    lost = f"{percent(after.top1 or 0)} right in place of {percent(before.top1 or 0)}"
    return f"{speed}{slow}; {lost}{'' if drop <= allowed else f' (may lose {percent(allowed)})'}"


def show(record: CompressRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    after = record.after
    rows: dict[str, str] = {"compressed to": record.to, "kept": "yes" if record.kept else "no"}
    rows["why"] = record.why
    rows["before"] = _side(record.before)
    if after is not None:
        rows["after"] = _side(after)
    if record.kept and after is not None:
        rows["use it"] = f"fleetfoot predict {after.bundle} IMAGE"
    lines(stream, rows.items())


def _side(side: Deployed) -> str:
    right = "" if side.top1 is None else f", {percent(side.top1)} right"
    size = f"{side.weight_bytes / 1e6:.3g} MB"
    return f"{side.engine} {side.precision}, {number(side.latency_ms_p50)} ms, {size}{right}"
