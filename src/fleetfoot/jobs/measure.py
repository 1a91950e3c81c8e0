"""`fleetfoot measure`: counts and latencies of networks and bundles on this device.

A row is one network, at one size and batch, in one engine and precision, with one layout and so
many threads. What cannot run is a row with the reason in ``error``.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.deploy.cells import CellTiming, measure_cells
from fleetfoot.jobs.subjects import Facts, Planned, Subject, Words, subject_of
from fleetfoot.measure.device import DeviceProfile, allowed_threads, device_profile
from fleetfoot.measure.latency import Schedule

ENGINES = ("eager", "compile", "onnxruntime", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
LAYOUTS = ("nchw", "nhwc")
MOST_AT_ONCE = 16  # processes that are held open side by side


@dataclass(frozen=True, kw_only=True)
class MeasureCell:
    """One row; None is unknown.

    Attributes:
        form: ``eager`` (as published) or ``tuned`` (folded and exported, or a bundle).
        precision: what was asked for; `error` tells where the engine used another.
        macs: per image; FLOPs are 2 x MACs.
        bytes_moved: of one call, every operator reading its inputs and writing its output once.
        bytes_moved_fused: the same with norms, activations and sums inside their producers.
        elementwise_ops: bias, norm, activation, pooling, sums; per image, none of them in `macs`.
        activations: output elements of convolutions and linear layers, per image.
        peak_live_bytes: most bytes of maps alive at once in the network as published; no weights.
        arena_bytes: of one buffer that all maps are packed into, at least `peak_live_bytes`.
        least_peak_bytes: the smallest peak over all orders of the operators.
        first_call_ms: cold start: reading, compiling and the first call, in a fresh process.
        gflops_achieved: 2 x MACs x batch / latency.
        roof_fraction: share of what the device can do; not measured yet.
        energy_mj: per image; None without a counter.
        energy_source: the counter, or why there is no figure.
    """

    net: str
    form: str
    engine: str
    precision: str
    layout: str
    threads: int
    batch: int
    size: int
    params: int | None = None
    macs: int | None = None
    bytes_moved: int | None = None
    bytes_moved_fused: int | None = None
    elementwise_ops: int | None = None
    activations: int | None = None
    peak_live_bytes: int | None = None
    arena_bytes: int | None = None
    least_peak_bytes: int | None = None
    latency_ms_p50: float | None = None
    latency_ms_p90: float | None = None
    latency_ms_p99: float | None = None
    latency_ms_iqr: float | None = None
    first_call_ms: float | None = None
    samples: int | None = None
    gflops_achieved: float | None = None
    roof_fraction: float | None = None
    energy_mj: float | None = None
    energy_source: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class MeasureRecord:
    """The device, and one cell per combination in the order asked."""

    device: DeviceProfile
    cells: tuple[MeasureCell, ...]


def measure(  # noqa: PLR0913  the words of the verb
    nets: Sequence[str],
    *,
    engine: str = "all",
    precision: str = "all",
    layout: str | None = None,
    threads: str | int | None = None,
    batch: str | int = 1,
    size: str | int | None = None,
    listener: Listener | None = None,
    schedule: Schedule | None = None,
) -> MeasureRecord:
    """Measure networks by name, bundles, and the bundles of runs; lists are separated by commas.

    Args:
        nets: what to measure.
        engine: engine names; ``all`` is every installed one that needs no compiler, ``best`` the
            fastest deployable form (of a bundle: the one it chose).
        precision: precision names; ``all`` is every one that needs no calibration images.
        layout: ``nchw``, ``nhwc``; None is nchw, of a bundle what its file has.
        threads: thread counts; None is what affinity and quota allow.
        batch: images per call.
        size: sides of the square input; None is the published one.
        listener: hears what is being done.
        schedule: how long to measure.

    Raises:
        UsageError: nothing to measure, unknown network, engine, precision or layout, bad number.
        DataError: a bundle is missing or damaged.
        MissingError: a network by name without torch.
    """
    if not nets:
        raise UsageError("measure needs at least one network: fleetfoot measure NET...")
    words = parse_words(engine, precision, layout, threads, batch, size)
    subjects = [subject_of(text) for text in nets]
    for subject in subjects:
        subject.check(words)
    listener = listener or Silent()
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        rows: list[MeasureCell] = []
        for number, subject in enumerate(subjects):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            rows += _measured(subject, words, folder, listener, schedule or Schedule())
    return MeasureRecord(device=device_profile(), cells=tuple(rows))


def _measured(
    subject: Subject, words: Words, folder: Path, listener: Listener, schedule: Schedule
) -> list[MeasureCell]:
    listener.stage(f"preparing {subject.name}")
    plans = list(subject.plan(words, folder))
    cells = {p.cell.name: p.cell for p in plans if p.cell is not None}
    listener.stage(f"measuring {subject.name}: {len(cells)} cells")
    timings: dict[str, CellTiming] = {}
    names = list(cells)
    for start in range(0, len(names), MOST_AT_ONCE):
        group = names[start : start + MOST_AT_ONCE]
        timings |= measure_cells([cells[name] for name in group], schedule)
        listener.update(done=min(start + MOST_AT_ONCE, len(names)), total=len(names))
    energy = energy_source()
    rows = [
        replace(_row(plan, subject, timings), energy_source=energy)
        for plan in plans
        if not plan.best
    ]
    return rows + [
        replace(row, energy_source=energy) for row in _best_rows(plans, subject, timings)
    ]


def _best_rows(
    plans: Sequence[Planned], subject: Subject, timings: dict[str, CellTiming]
) -> list[MeasureCell]:
    """Return the fastest of the rows that compete for ``best``, one per size, batch, threads."""
    best: dict[tuple[int, int, int], MeasureCell] = {}
    for plan in plans:
        if not plan.best:
            continue
        row = _row(plan, subject, timings)
        key = (row.size, row.batch, row.threads)
        if key not in best or _slowness(row) < _slowness(best[key]):
            best[key] = row
    return list(best.values())


def _slowness(row: MeasureCell) -> float:
    return float("inf") if row.latency_ms_p50 is None else row.latency_ms_p50


def _row(plan: Planned, subject: Subject, timings: dict[str, CellTiming]) -> MeasureCell:
    facts = subject.facts(plan.size, plan.batch, plan.precision)
    row = MeasureCell(
        net=subject.name,
        form=plan.form,
        engine=plan.engine,
        precision=plan.precision,
        layout=plan.layout,
        threads=plan.threads,
        batch=plan.batch,
        size=plan.size,
        **asdict(facts),
        error=plan.error,
    )
    if plan.cell is None:
        return row
    return _timed(row, facts, timings[plan.cell.name])


def _timed(row: MeasureCell, facts: Facts, timing: CellTiming) -> MeasureCell:
    latency = timing.latency
    if latency is None:
        return replace(row, error=timing.error or "no times were taken")
    gflops = None
    if facts.macs is not None:
        gflops = 2 * facts.macs * row.batch / (latency.ms_p50 / 1000) / 1e9
    actual = timing.actual_precision
    other = actual is not None and row.precision not in actual.split("+")
    return replace(
        row,
        latency_ms_p50=latency.ms_p50,
        latency_ms_p90=latency.ms_p90,
        latency_ms_p99=latency.ms_p99,
        latency_ms_iqr=latency.ms_iqr,
        first_call_ms=timing.open_ms,
        samples=latency.samples,
        gflops_achieved=gflops,
        error=f"computed in {actual}" if other else None,
    )


def energy_source(root: Path | str = "/") -> str:
    """Return why there is no energy figure: without a counter none is invented."""
    domains = Path(root, "sys/class/powercap").glob("*/energy_uj")
    if any(domains):
        return "not measured: this version reads no counter (powercap is present)"
    return "not measured: this device has no energy counter (no powercap domain)"


def parse_words(
    engine: str,
    precision: str,
    layout: str | None,
    threads: str | int | None,
    batch: str | int,
    size: str | int | None,
) -> Words:
    """Return the lists that the words of the command line stand for.

    Raises:
        UsageError: a name that does not exist, or a number below 1.
    """
    return Words(
        engines=_names("--engine", engine, (*ENGINES, "all", "best")),
        precisions=_names("--precision", precision, (*PRECISIONS, "all")),
        layouts=None if layout is None else _names("--layout", layout, LAYOUTS),
        threads=_numbers("--threads", allowed_threads() if threads is None else threads),
        batches=_numbers("--batch", batch),
        sizes=None if size is None else _numbers("--size", size),
    )


def _names(word: str, text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in allowed:
            raise UsageError(f"{word} {name}: is not one of {', '.join(allowed)}")
    return names


def _numbers(word: str, text: str | int) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in str(text).split(","):
        if not part.strip().isdecimal() or int(part) < 1:
            raise UsageError(f"{word} {part.strip()}: is not a whole number of at least 1")
        numbers.append(int(part))
    return tuple(dict.fromkeys(numbers))
