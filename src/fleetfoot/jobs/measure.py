"""`fleetfoot measure`: counts, latency, roofline and energy of networks and bundles on this device.

A row is one network, at one size and batch, in one engine and precision, with one layout and
number of threads. What cannot run is a row with the reason in ``error``; the others are measured.
"""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import MissingError, UsageError
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.core.machine_lock import measuring
from fleetfoot.deploy.cells import Cell, CellTiming, measure_cells
from fleetfoot.jobs.measure_page import check_page, write_page
from fleetfoot.jobs.measure_plan import Counted, Planned, torch_is_there
from fleetfoot.jobs.measure_record import EnergyTaken, MeasureCell, MeasureRecord, Times
from fleetfoot.jobs.requests import MeasureRequest
from fleetfoot.jobs.subjects import Subject, subject_of
from fleetfoot.measure.conditions import disturbances, thread_limit, throttled_ms
from fleetfoot.measure.device import device_profile, load_1min, usable_threads
from fleetfoot.measure.energy import Meter, find_meter
from fleetfoot.measure.latency import Schedule, samples_for
from fleetfoot.measure.provenance import accelerator, utc_now
from fleetfoot.measure.roofline import Ceilings, attainable_gflops, measure_ceilings

MOST_AT_ONCE = 16  # processes that are held open side by side
SAMPLES = samples_for(0.99)
SECONDS = 2.0  # per cell, at least, after warming up
ROUNDS = 10
A_DAY = 86_400.0
ABOVE_THE_ROOF = 1.05
FASTER = "faster than the roof: caches serve what counts as memory, or the ceilings were disturbed"
UNREAD = "not measured: the counter could not be read meanwhile"


def measure(
    request: MeasureRequest,
    *,
    listener: Listener = SILENT,
    schedule: Schedule | None = None,
    root: Path | str = "/",
) -> MeasureRecord:
    """Measure networks by name, bundles, and the bundles of runs.

    Args:
        request: what to measure, and how.
        listener: hears what is being done.
        schedule: how long; None is what ``request.samples`` asks for: without it `SAMPLES` or what
            fits into `SECONDS`, the more.
        root: where ``proc`` and ``sys`` are.

    Raises:
        UsageError: nothing to measure, or an unknown network.
        DataError: a bundle is missing or damaged, or ``out`` is a file.
        MissingError: a network by name without torch, or a page without Jinja2.
    """
    if not request.nets:
        raise UsageError("measure needs at least one network: fleetfoot measure NET...")
    if request.out is not None:
        check_page(Path(request.out))
    profile = device_profile(root)
    request, cut = _within(request, profile.threads)
    schedule = schedule or _schedule(request.samples)
    subjects = [subject_of(text) for text in request.nets]
    for subject in subjects:
        subject.check(request)
    run = _Run(request, schedule, listener, root)
    started, stopped = utc_now(), throttled_ms(root)
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        rows = run.rows(subjects, Path(scratch))
    after = throttled_ms(root)
    roofs = _roofs(rows, request.device, run.listener)
    cells = tuple(_with_roof(row, roofs) for row in rows)
    notes = (thread_limit(profile), *cut, *disturbances(profile), _too_few(cells))
    record = MeasureRecord(
        date=started,
        device=profile,
        accelerator=accelerator(request.device),
        load_1min_after=load_1min(root),
        throttled_ms=None if after is None or stopped is None else after - stopped,
        ceilings=tuple(roofs.values()),
        notes=tuple(note for note in notes if note),
        cells=cells,
    )
    if request.out is not None:
        write_page(record, Path(request.out), listener=run.listener, device=request.device)
    return record


def _within(request: MeasureRequest, allowed: int) -> tuple[MeasureRequest, tuple[str, ...]]:
    """Return the request with no more threads than are allowed, and what was cut."""
    asked = (allowed,) if request.threads is None else request.thread_counts
    notes: list[str] = []
    counts = [usable_threads(number, notes.append, allowed=allowed) for number in asked]
    return replace(request, threads=",".join(map(str, counts))), tuple(notes)


def _schedule(samples: int | None) -> Schedule:
    """Return how long to measure; what was asked for is measured, however slow a call is."""
    if samples is None:
        return Schedule(min_samples=SAMPLES, min_seconds=SECONDS, rounds=ROUNDS, max_seconds=A_DAY)
    least = int(samples)
    rounds = min(ROUNDS, least)
    return Schedule(min_samples=least, min_seconds=0.0, rounds=rounds, max_seconds=A_DAY)


@dataclass
class _Run:
    """One call of the verb: what it measures with."""

    request: MeasureRequest
    schedule: Schedule
    listener: Listener
    root: Path | str

    def __post_init__(self) -> None:
        self.meter, self.energy_source = _meter(self.request.device, self.root)

    def rows(self, subjects: Sequence[Subject], scratch: Path) -> list[MeasureCell]:
        plans = [self.plans(number, subject, scratch) for number, subject in enumerate(subjects)]
        timings = self.timings([plan.cell for plan in itertools.chain(*plans) if plan.cell])
        return [row for s, own in zip(subjects, plans) for row in self.rows_of(s, own, timings)]

    def plans(self, number: int, subject: Subject, scratch: Path) -> list[Planned]:
        """Return the rows of a subject; no cell of another has the name of one of them."""
        self.listener.stage(f"preparing {subject.name}")
        folder = scratch / str(number)
        folder.mkdir()
        return [
            replace(plan, cell=plan.cell and replace(plan.cell, name=f"{number} {plan.name}"))
            for plan in subject.plan(self.request, folder)
        ]

    def rows_of(
        self, subject: Subject, plans: Sequence[Planned], timings: Mapping[str, CellTiming]
    ) -> list[MeasureCell]:
        counted = cache(subject.counted)
        rows = [
            self.row(
                subject.name, p, counted(p.setup.size, p.setup.batch, p.setup.precision), timings
            )
            for p in plans
        ]
        ordinary = [row for row, plan in zip(rows, plans) if not plan.best]
        return ordinary + _best([row for row, plan in zip(rows, plans) if plan.best])

    def timings(self, cells: Sequence[Cell]) -> dict[str, CellTiming]:
        timings: dict[str, CellTiming] = {}
        for number, group in enumerate(groups := side_by_side(cells), start=1):
            self.listener.stage(f"measuring {len(group)} cells, group {number} of {len(groups)}")
            with measuring(self.listener):
                timings |= measure_cells(group, self.schedule, in_turn=True, meter=self.meter)
            self.listener.update(done=len(timings), total=len(cells))
        return timings

    def row(
        self, net: str, plan: Planned, counted: Counted, timings: Mapping[str, CellTiming]
    ) -> MeasureCell:
        row = MeasureCell(
            net=net,
            setup=plan.setup,
            counts=counted.totals,
            energy=EnergyTaken(energy_source=self.energy_source),
            note=counted.note,
            error=plan.error,
            exit_code=plan.exit_code,
        )
        if plan.cell is None:
            return row
        timing = timings[plan.cell.name]
        if self.meter is not None and timing.latency is not None and timing.energy is None:
            row = replace(row, energy=EnergyTaken(energy_source=UNREAD))
        return _timed(row, timing)


def side_by_side(cells: Sequence[Cell], most: int = MOST_AT_ONCE) -> list[list[Cell]]:
    """Return groups of at most this many cells, to be measured one group after the other.

    Cells that differ in the network alone compete: they are in one group unless there are more.
    """
    rivals: dict[Any, list[Cell]] = {}
    for cell in cells:
        words = (cell.engine, cell.precision, cell.layout, cell.threads, cell.input_shape[0])
        rivals.setdefault((*words, cell.replay), []).append(cell)
    groups: list[list[Cell]] = []
    for found in rivals.values():
        for part in (found[start : start + most] for start in range(0, len(found), most)):
            if not groups or len(groups[-1]) + len(part) > most:
                groups.append([])
            groups[-1] += part
    return groups


def _roofs(rows: Sequence[MeasureCell], device: str, listener: Listener) -> dict[int, Ceilings]:
    """Return the ceilings that the rows need, by threads; none where torch cannot measure them."""
    found = [row for row in rows if _has_intensity(row)]
    if not found or device != "cpu" or not torch_is_there():
        return {}
    roofs: dict[int, Ceilings] = {}
    for threads in sorted({row.setup.threads for row in found}):
        listener.stage(f"measuring the ceilings, threads: {threads}")
        used = {row.setup.precision for row in found if row.setup.threads == threads}
        roofs[threads] = _ceilings(threads, tuple(sorted(used)), listener)
    return roofs


def _with_roof(row: MeasureCell, roofs: Mapping[int, Ceilings]) -> MeasureCell:
    if row.setup.threads not in roofs or not _has_intensity(row):
        return row
    intensity = 2 * (row.counts.macs or 0) * row.setup.batch / (row.counts.bytes_moved_fused or 1)
    roof = attainable_gflops(intensity, roofs[row.setup.threads], precision=row.setup.precision)
    fraction = None if roof is None else (row.times.gflops_achieved or 0.0) / roof
    above = fraction is not None and fraction > ABOVE_THE_ROOF
    times = replace(row.times, roof_fraction=fraction)
    return replace(row, times=times, note=_joined(row.note, FASTER if above else None))


def _has_intensity(row: MeasureCell) -> bool:
    """Whether the row has FLOPs and bytes; bytes are those of the precision asked for."""
    figures = (row.times.gflops_achieved, row.counts.macs, row.counts.bytes_moved_fused)
    counted = row.setup.engine != "packed"  # whose products are no FLOPs, and whose maps are bits
    return counted and row.error is None and all(figures)  # an error: in another precision


@cache
def _ceilings(threads: int, precisions: tuple[str, ...], listener: Listener) -> Ceilings:
    return measure_ceilings(threads, precisions, listener=listener)


def _meter(device: str, root: Path | str) -> tuple[Meter | None, str]:
    """Return the counter of energy and its name; without one, why no figure is given."""
    try:
        meter = find_meter(device, root=root)
    except MissingError as error:
        return None, f"not measured: {error}"
    return meter, meter.source


def _best(rows: Sequence[MeasureCell]) -> list[MeasureCell]:
    """Return the fastest of the rows that compete for ``best``, one per size, batch, threads."""
    best: dict[tuple[int, int, int], MeasureCell] = {}
    for row in rows:
        key = (row.setup.size, row.setup.batch, row.setup.threads)
        if key not in best or _slowness(row) < _slowness(best[key]):
            best[key] = row
    return list(best.values())


def _slowness(row: MeasureCell) -> float:
    return float("inf") if row.times.latency_ms_p50 is None else row.times.latency_ms_p50


def _timed(row: MeasureCell, timing: CellTiming) -> MeasureCell:
    latency, energy = timing.latency, timing.energy
    if latency is None:
        reason = timing.error or "no times were taken"
        return replace(row, error=reason, exit_code=timing.exit_code or 1)
    seconds = latency.ms_p50 / 1000
    actual = timing.actual_precision
    other = actual is not None and row.setup.precision not in actual.split("+")
    macs, batch = row.counts.macs, row.setup.batch
    if energy is not None:
        net, gross = energy.net_mj / batch, energy.gross_mj / batch
        row = replace(row, energy=replace(row.energy, energy_mj=net, energy_gross_mj=gross))
    return replace(
        row,
        times=Times(
            process_bytes=timing.process_bytes,
            latency_ms_p50=latency.ms_p50,
            latency_ms_p90=latency.ms_p90,
            latency_ms_p99=latency.ms_p99,
            latency_ms_iqr=latency.ms_iqr,
            noise=latency.noise,
            cold_start_ms=timing.open_ms,
            first_call_ms=timing.first_call_ms,
            samples=latency.samples,
            gflops_achieved=None if macs is None else 2 * macs * batch / seconds / 1e9,
        ),
        note=_joined(row.note, timing.note, latency.remark, _missing_percentiles(latency.samples)),
        error=f"computed in {actual}" if other else None,
    )


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None


def _missing_percentiles(samples: int) -> str | None:
    needs = {name: samples_for(share) for name, share in (("p90", 0.9), ("p99", 0.99))}
    missing = [f"{name} needs {least} samples" for name, least in needs.items() if samples < least]
    return f"{', '.join(missing)}: {samples} were taken" if missing else None


def _too_few(cells: Sequence[MeasureCell]) -> str | None:
    found = sum(cell.times.samples is not None and cell.times.samples < SAMPLES for cell in cells)
    if not found:
        return None
    return f"p99 is unknown in {found} of {len(cells)} rows: --samples {SAMPLES} would give it"
