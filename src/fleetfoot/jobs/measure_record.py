"""What `fleetfoot measure` answers: the names of these fields are the keys of its JSON."""

from dataclasses import dataclass, field
from typing import TextIO

from fleetfoot.core.results import FLAT
from fleetfoot.jobs.screen import counted, number, percent, table
from fleetfoot.measure.device import DeviceProfile
from fleetfoot.measure.roofline import Ceilings
from fleetfoot.measure.totals import Totals

SCHEMA = "fleetfoot.measure/2"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a network is run in one row.

    Attributes:
        form: ``eager`` (as published), ``replayed`` (the same as one recorded graph of a CUDA
            device) or ``tuned`` (folded and exported, or a bundle).
        engine: that runs it.
        precision: what was asked for; the row's `error` says if the engine used another.
        layout: of the maps: ``nchw`` or ``nhwc``.
        threads: that compute.
        batch: images per call.
        size: side of the input in pixels.
    """

    form: str
    engine: str
    precision: str
    layout: str
    threads: int
    batch: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Times:
    """What running showed; None is unknown.

    Attributes:
        process_bytes: highest resident size of the row's process in a call after the first:
            interpreter, engine, weights and maps, as the system sees them.
        latency_ms_p50: median time of a call; with p90, p99 (None with too few samples to have
            one beyond it) and iqr, the distance between the quartiles.
        noise: spread of the medians of the blocks inside the row's one process, relative to the
            median. Two processes of the same network differ by more: benchmarks/results/noise.json.
        cold_start_ms: importing, reading, compiling and the first call, in a fresh process.
        first_call_ms: the first call alone.
        samples: calls behind the percentiles.
        gflops_achieved: 2 x MACs x batch / latency.
        roof_fraction: share of min(P, I x BW), with ceilings measured here for this precision and
            number of threads, and I from `bytes_moved_fused`; above 1 caches served what the count
            sends to memory.
    """

    process_bytes: int | None = None
    latency_ms_p50: float | None = None
    latency_ms_p90: float | None = None
    latency_ms_p99: float | None = None
    latency_ms_iqr: float | None = None
    noise: float | None = None
    cold_start_ms: float | None = None
    first_call_ms: float | None = None
    samples: int | None = None
    gflops_achieved: float | None = None
    roof_fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class EnergyTaken:
    """What a call took; None without a counter.

    Attributes:
        energy_mj: per image, idle subtracted.
        energy_gross_mj: per image, idle included.
        energy_source: the counter, or why there is no figure.
    """

    energy_mj: float | None = None
    energy_gross_mj: float | None = None
    energy_source: str | None = None


@dataclass(frozen=True, kw_only=True)
class MeasureCell:
    """One row, whose parts are written flat: their keys are side by side.

    Attributes:
        net: as it was asked for.
        setup: how it was run.
        counts: of one call.
        times: what running it showed.
        energy: what a call took.
        note: remarks on the figures: what is missing, not counted, not settled.
        error: why there are no times, or that the engine computed in another precision.
        exit_code: what this error alone ends a command with; None where there are times.
    """

    net: str
    setup: Setup = field(metadata={FLAT: True})
    counts: Totals = field(default=Totals(), metadata={FLAT: True})
    times: Times = field(default=Times(), metadata={FLAT: True})
    energy: EnergyTaken = field(default=EnergyTaken(), metadata={FLAT: True})
    note: str | None = None
    error: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class MeasureRecord:
    """The device, and one cell per combination in the order asked.

    Attributes:
        date: UTC, to the second, when measuring began.
        device: the machine; `load_1min` in it was read before measuring.
        accelerator: name of the CUDA device that was measured; None on the processor.
        load_1min_after: load average after the last cell, our own work included.
        throttled_ms: time the cgroup's quota stopped this process meanwhile; None without a quota.
        ceilings: the roofs of each number of threads; empty where nothing was computed by torch.
        notes: what a reader must know: limits on threads, load, governor, missing percentiles.
        cells: the rows.
    """

    date: str
    device: DeviceProfile
    accelerator: str | None = None
    load_1min_after: float | None
    throttled_ms: float | None
    ceilings: tuple[Ceilings, ...]
    notes: tuple[str, ...]
    cells: tuple[MeasureCell, ...]

    @property
    def exit_code(self) -> int:
        """0 if every row has times, else the code of the first that has none."""
        return next((cell.exit_code for cell in self.cells if cell.exit_code is not None), 0)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why rows have no times, each reason once."""
        failed = (cell for cell in self.cells if cell.exit_code is not None)
        lines = (f"{c.net}, {c.setup.engine} {c.setup.precision}: {c.error}" for c in failed)
        return tuple(dict.fromkeys(lines))


def show(record: MeasureRecord, stream: TextIO) -> None:
    """Write the record for a person: what all rows share and what they remark is said once."""
    rows = [_setup(cell) | _figures(cell) for cell in record.cells]
    for line in dict.fromkeys(_network(cell) for cell in record.cells):
        stream.write(f"{line}\n")
    shared = {name for name in SETUP if len({row[name] for row in rows}) == 1}
    if rows and len(shared) > 1:
        stream.write(f"{_shared(rows[0], shared)}\n")
    remarks = list(dict.fromkeys(_remark(cell) for cell in record.cells if _remark(cell)))
    stream.write("\n")
    marks = {remark: f"[{number}]" for number, remark in enumerate(remarks, start=1)}
    for row, cell in zip(rows, record.cells):
        row["note"] = marks.get(_remark(cell), "-")
    unknown = {name for name in rows[0] if all(row[name] == "-" for row in rows)} if rows else set()
    names = [n for n in rows[0] if n not in shared | unknown or n == FIRST] if rows else []
    right = [place for place, name in enumerate(names) if name not in SETUP[:5]]
    table(stream, names, [[row[name] for name in names] for row in rows], right=right)
    for remark, mark in marks.items():
        stream.write(f"{mark} {remark}\n")
    _ceilings_and_notes(record, stream)


SETUP = ("net", "form", "engine", "precision", "layout", "threads", "batch", "size")
FIRST = "p50 ms"  # a column that stays where nothing could be measured


def _setup(cell: MeasureCell) -> dict[str, str]:
    how = cell.setup
    words = (cell.net, how.form, how.engine, how.precision, how.layout)
    numbers = (how.threads, how.batch, how.size)
    return dict(zip(SETUP, (str(word or "-") for word in (*words, *numbers))))


def _figures(cell: MeasureCell) -> dict[str, str]:
    times, energy = cell.times, cell.energy
    return {
        FIRST: number(times.latency_ms_p50),
        "p90": number(times.latency_ms_p90),
        "p99": number(times.latency_ms_p99),
        "IQR": number(times.latency_ms_iqr),
        "GFLOPS": number(times.gflops_achieved),
        "roof": "-" if times.roof_fraction is None else percent(times.roof_fraction, digits=0),
        "mJ": number(energy.energy_mj),
    }


def _network(cell: MeasureCell) -> str:
    """Return what a network has, whatever runs it."""
    counts, size = cell.counts, cell.setup.size
    at = f" at {size} px" if size else ""
    return f"{cell.net}{at}: {counted(counts.params)} parameters, {counted(counts.macs)} MACs"


def _shared(row: dict[str, str], shared: set[str]) -> str:
    """Return what all rows have in common, but the network."""
    units = {"threads": "threads {}", "batch": "batch {}", "size": "{} px"}
    words = (units.get(name, "{}").format(row[name]) for name in SETUP[1:] if name in shared)
    return ", ".join(dict.fromkeys(words))  # form and engine may both be eager


def _remark(cell: MeasureCell) -> str:
    return cell.error or cell.note or ""


def _ceilings_and_notes(record: MeasureRecord, stream: TextIO) -> None:
    for roof in record.ceilings:
        stream.write(f"ceilings of {roof.threads} thread{'s' if roof.threads > 1 else ''}: ")
        peaks = [f"{name} {number(value)} GFLOPS" for name, value in roof.gflops.items()]
        speeds = [f"{name} {number(value)} GB/s" for name, value in roof.gb_per_s.items()]
        stream.write(f"{', '.join([*peaks, *speeds])}\n")
    for note in record.notes:
        stream.write(f"note: {note}\n")
    for source in sorted({cell.energy.energy_source or "" for cell in record.cells} - {""}):
        stream.write(f"energy: {source}\n")
