"""Time networks in engines: one persistent, pinned process per cell, blocks in random order.

A fresh process per cell keeps engines from fighting over threads and caches; a coordinator that
draws the next block at random lets a slow minute of the machine fall on all cells alike.
Workers of ONNX Runtime and OpenVINO import no torch, so a cell is ready in half a second.
"""

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fleetfoot.core.child_process import child_environment, import_folders
from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.results import to_json
from fleetfoot.measure.device import idlest_cpus
from fleetfoot.measure.energy import Energy, Meter, measure_energy
from fleetfoot.measure.latency import Latency, Schedule, measure_blocks

if TYPE_CHECKING:
    from torch import nn

OPEN_SECONDS, COMPILE_SECONDS = 60.0, 300.0
BLOCK_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One network in one engine.

    Attributes:
        name: unique among the cells of one measurement.
        engine: ``onnxruntime`` or ``openvino`` with `file`; ``eager`` or ``compile`` with `module`.
        precision: see `engines.PRECISIONS`.
        layout: ``nchw`` or ``nhwc``; of a file the order of the axes, of a module it chooses
            torch's memory format.
        threads: threads to compute with.
        input_shape: of one call, batch first.
        input_dtype: ``float32`` or ``uint8``.
        file: the graph.
        module: the network, in evaluation mode.
        device: ``cpu``, or ``cuda`` with `module`.
        replay: on ``cuda``, replay a recorded graph of kernels instead of launching each.
    """

    name: str
    engine: str
    precision: str = "float32"
    layout: str = "nchw"
    threads: int = 1
    input_shape: tuple[int, ...]
    input_dtype: str = "float32"
    file: Path | None = None
    module: "nn.Module | None" = None
    device: str = "cpu"
    replay: bool = False


@dataclass(frozen=True, kw_only=True)
class CellTiming:
    """What became of a cell: `latency`, or one line of `error`.

    Attributes:
        name: of the cell.
        latency: of its calls.
        actual_precision: what the engine says it computes in.
        note: what it has to say of itself beyond that.
        open_ms: cold start: importing, reading, compiling and the first call, in a fresh process.
        first_call_ms: the first call alone.
        process_bytes: highest resident size of the process in a call after the first: interpreter,
            engine, weights and maps; None where the system does not say, or on an accelerator.
        error: why there is no latency.
        exit_code: that a command ends with for this error; None without one.
        energy: of its calls; None without a meter.
    """

    name: str
    latency: Latency | None = None
    actual_precision: str | None = None
    note: str | None = None
    open_ms: float | None = None
    error: str | None = None
    first_call_ms: float | None = None
    process_bytes: int | None = None
    exit_code: int | None = None
    energy: Energy | None = None


def measure_cells(
    cells: Sequence[Cell],
    schedule: Schedule | None = None,
    *,
    in_turn: bool = False,
    meter: Meter | None = None,
    listener: Listener = SILENT,
) -> dict[str, CellTiming]:
    """Measure all cells side by side and return one timing per cell, by name.

    A cell whose worker cannot open its network, or dies, gets an `error`; the others are measured.

    Args:
        cells: what to measure.
        schedule: how long.
        in_turn: open one network after the other, so that cold starts do not disturb each other.
        meter: counter of energy; each cell then also works alone for `energy.SECONDS`, and all are
            idle for as long before the first and after the last. One that fails gives no figures.
        listener: hears when another measurement is waited for.

    Raises:
        UsageError: two cells have one name.
    """
    if len({cell.name for cell in cells}) != len(cells):
        raise UsageError("each cell needs a name of its own")
    if not cells:
        return {}
    with measuring(listener), _workers(cells, in_turn=in_turn) as workers:
        blocks = {name: worker.block for name, worker in workers.items() if not worker.error}
        times = measure_blocks(blocks, schedule or Schedule()) if blocks else {}
        energies = {} if meter is None else _energies(workers, times, meter)
        return {
            name: worker.timing(times.get(name), energies.get(name))
            for name, worker in workers.items()
        }


def median_of_fresh(
    cell: Cell,
    *,
    repeats: int = 3,
    schedule: Schedule | None = None,
    listener: Listener = SILENT,
) -> list[CellTiming]:
    """Measure one cell in ``repeats`` fresh processes, one after the other."""
    return [measure_cells([cell], schedule, listener=listener)[cell.name] for _ in range(repeats)]


def _energies(
    workers: "Mapping[str, _Worker]", times: Mapping[str, Latency], meter: Meter
) -> dict[str, Energy]:
    works = {name: partial(workers[name].work, latency.ms_p50) for name, latency in times.items()}
    try:
        return measure_energy(works, meter)
    except (OSError, ValueError):  # a counter that is no longer there: no figures
        return {}


@contextlib.contextmanager
def _workers(cells: Sequence[Cell], *, in_turn: bool = False) -> "Generator[Mapping[str, _Worker]]":
    cpus = {threads: idlest_cpus(threads) for threads in {cell.threads for cell in cells}}
    with contextlib.ExitStack() as stack:
        workers: dict[str, _Worker] = {}
        for cell in cells:
            workers[cell.name] = worker = _Worker(cell, cpus[cell.threads])
            stack.callback(worker.close)
            if in_turn:
                worker.wait_until_open()
        for worker in workers.values():
            worker.wait_until_open()
        yield workers


class _Worker:
    """The near end of one worker process."""

    def __init__(self, cell: Cell, cpus: Sequence[int]) -> None:
        self.cell = cell
        self.error: str | None = None
        self._exit_code: int | None = None
        self._facts: dict[str, Any] = {}
        self._unread = b""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fleetfoot.deploy.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=child_environment(cell.threads),
            start_new_session=True,  # Ctrl-C is the coordinator's to handle
        )
        try:
            content = _module_bytes(cell)
            self._send({**_description(cell, cpus), "module_bytes": len(content)}, content)
        except BaseException:  # an interruption here must not leave the process behind
            self.close()
            raise

    def wait_until_open(self) -> None:
        if self._facts or self.error:
            return
        compiles = self.cell.engine == "compile"
        self._facts = self._receive(COMPILE_SECONDS if compiles else OPEN_SECONDS)

    def block(self, calls: int) -> list[float]:
        self._send({"calls": calls})
        return self._receive(BLOCK_SECONDS).get("ms", [])

    def work(self, call_ms: float, seconds: float) -> int:
        """Work this long and return how many calls that were; 0 after a failure."""
        return len(self.block(max(1, round(1000 * seconds / call_ms))))

    def timing(self, latency: Latency | None, energy: Energy | None) -> CellTiming:
        return CellTiming(
            name=self.cell.name,
            latency=latency,
            actual_precision=self._facts.get("actual_precision"),
            note=self._facts.get("note"),
            open_ms=self._facts.get("open_ms"),
            error=self.error,
            first_call_ms=self._facts.get("first_call_ms"),
            process_bytes=self._facts.get("process_bytes"),
            exit_code=None if self.error is None else (self._exit_code or 1),
            energy=energy,
        )

    def close(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._log.close()

    def _send(self, record: dict[str, Any], content: bytes = b"") -> None:
        pipe = self._process.stdin
        if pipe is None or self.error:
            return
        try:
            pipe.write(json.dumps(record).encode() + b"\n" + content)
            pipe.flush()
        except OSError:
            self.error = self._why_dead()

    def _receive(self, seconds: float) -> dict[str, Any]:
        line = b"" if self.error else self._read_line(time.monotonic() + seconds)
        if not line:
            self.error = self.error or self._why_dead()
            return {}
        reply: dict[str, Any] = json.loads(line)
        self.error, self._exit_code = reply.get("error"), reply.get("exit_code")
        return {} if self.error else reply

    def _read_line(self, deadline: float) -> bytes:
        pipe = self._process.stdout
        if pipe is None:
            return b""
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([pipe], [], [], max(0.0, left))
            if not ready:
                self.error = "no answer within the time allowed"
                return b""
            piece = os.read(pipe.fileno(), 1 << 16)
            if not piece:
                return b""
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _why_dead(self) -> str:
        code = self._process.wait()
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"its process ended with code {code}" + "".join(f" ({line})" for line in last)


def _description(cell: Cell, cpus: Sequence[int]) -> dict[str, Any]:
    file = None if cell.file is None else cell.file.resolve()
    words = {"module": None, "file": file, "cpus": cpus, "folders": import_folders()}
    return to_json({**vars(cell), **words})


def _module_bytes(cell: Cell) -> bytes:
    if cell.module is None:
        return b""
    import torch

    buffer = io.BytesIO()
    torch.save(cell.module, buffer)
    return buffer.getvalue()
