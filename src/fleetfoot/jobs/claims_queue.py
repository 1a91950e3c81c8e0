"""`claims run --queue` and `claims queue`: work through a queue of claims; say how far it is."""

import shlex
from dataclasses import asdict, dataclass
from typing import TextIO

from fleetfoot.claims.claim import OWN
from fleetfoot.claims.ledger import matching
from fleetfoot.claims.queue import Entry, Order, Queue, minutes_left
from fleetfoot.claims.queue_run import AT_WORK, work_on
from fleetfoot.core.errors import DataError, UsageError, require
from fleetfoot.core.file_lock import is_locked
from fleetfoot.core.listener import Listener
from fleetfoot.core.machine_lock import is_measuring
from fleetfoot.core.out_folder import check_out, expanded
from fleetfoot.jobs.requests import ClaimsRequest
from fleetfoot.jobs.screen import table
from fleetfoot.measure.device import allowed_threads, usable_threads

STATES = ("done", "running", "waiting", "failed")
UNKNOWN = "unknown until a claim of this queue is done"


@dataclass(frozen=True, kw_only=True)
class QueueRow(Entry):
    """A claim of a queue, and what became of it."""

    id: str


@dataclass(frozen=True, kw_only=True)
class QueueRecord:
    """How far a queue is.

    Attributes:
        folder: of the queue.
        scale: of its claims.
        out: where their results go.
        at_work: whether a process works on it now; if none does, what runs is not going on.
        measuring: whether a measurement holds the machine, for which the queue waits.
        done, running, waiting, failed: how many claims are.
        minutes_left: that the queue still takes on this machine; None where that is unknown.
        claims: in the order of the ledger.
        problems: what is wrong with the queue's files.
    """

    folder: str
    scale: str
    out: str
    at_work: bool
    measuring: bool
    done: int
    running: int
    waiting: int
    failed: int
    minutes_left: float | None
    claims: tuple[QueueRow, ...]
    problems: tuple[str, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """What is wrong with the queue's files."""
        return self.problems

    @property
    def exit_code(self) -> int:
        """That of the first claim that failed."""
        return next((row.exit_code for row in self.claims if row.exit_code), 0)


def claims_queue(request: ClaimsRequest, listener: Listener) -> QueueRecord:
    """Return how far a queue is; for the word "run" after working it off.

    Raises:
        UsageError: words that do not fit, or another process works on the queue.
        DataError: the folder holds no queue, or a damaged one.
    """
    if request.word == "queue":
        if len(request.ids) != 1 or request.queue is not None:
            raise UsageError("claims queue takes one folder: fleetfoot claims queue DIR")
        return _record(Queue(expanded(request.ids[0])), request.jobs)
    if request.word != "run" or request.queue is None:
        raise UsageError(f"claims {request.word} --queue: only `claims run` works on a queue")
    if request.device != "cpu":
        raise UsageError(f"--device {request.device}: a queue is worked off on the cpu")
    if request.jobs is not None and request.jobs < 1:
        raise UsageError(f"--jobs {request.jobs}: must be at least 1")
    require("torch", extra="train")
    queue = Queue(request.queue)
    if is_locked(queue.lock):  # now, before what it works by is changed
        raise UsageError(AT_WORK.format(queue.folder))
    order = queue.take(_order(queue, request))
    order.out.mkdir(parents=True, exist_ok=True)  # now, not after hours
    workers = allowed_threads()
    if request.jobs is not None:
        workers = usable_threads(request.jobs, listener.message, word="--jobs")
    work_on(queue, order, workers=workers, listener=listener, again=request.retry)
    return _record(queue, workers)


def _order(queue: Queue, request: ClaimsRequest) -> Order:
    """Return what is asked for; what is not given is as the queue has it."""
    held = _held(queue) if request.ids else queue.order()
    scale = request.scale or (held.scale if held else "long")
    out = request.out or (held.out if held else OWN)
    data = request.data or (held.data if held else None)
    check_out(out)
    return Order(
        scale=scale,
        out=out.resolve(),
        data=None if data is None else data.resolve(),
        ids=tuple(claim.id for claim in matching(request.ids, scale=scale)),
    )


def _record(queue: Queue, workers: int | None) -> QueueRecord:
    order = queue.order()
    entries, problems = queue.entries(order)
    states = [entry.state for entry in entries.values()]
    return QueueRecord(
        folder=str(queue.folder),
        scale=order.scale,
        out=str(order.out),
        at_work=is_locked(queue.lock),
        measuring=is_measuring(),
        **{state: states.count(state) for state in STATES},
        minutes_left=minutes_left(entries.values(), workers or allowed_threads()),
        claims=tuple(QueueRow(id=name, **asdict(entry)) for name, entry in entries.items()),
        problems=problems,
    )


def _held(queue: Queue) -> Order | None:
    try:
        return queue.order()
    except DataError:
        return None


def show(record: QueueRecord, stream: TextIO) -> None:
    """Write how far a queue is, for a person."""
    headings = ("claim", "state", "worked", "training", "since", "what")
    rows = [
        (row.id, _state(row, record), _span(row.worked_minutes), _training(row),
         (row.since or "-").removesuffix("+00:00"), row.error or row.stage or "-")
        for row in record.claims
    ]  # fmt: skip
    table(stream, headings, rows)
    running = record.running if record.at_work else 0
    waiting = record.running + record.waiting - running
    counts = [("done", record.done), ("running", running), ("left", waiting)]
    counts += [("failed, tried again with --retry", record.failed)] if record.failed else []
    left = record.minutes_left
    stream.write("\n" + ", ".join(f"{count} {what}" for what, count in counts))
    stream.write(f"; time left: {UNKNOWN if left is None else f'about {_span(left)}'}\n")
    if record.measuring:
        stream.write("a measurement holds the machine: the queue waits for its end\n")
    if not record.at_work and record.running + record.waiting:
        command = f"fleetfoot claims run --queue {shlex.quote(record.folder)}"
        stream.write(f"nothing works on it: {command}\n")


def _state(row: QueueRow, record: QueueRecord) -> str:
    return "stopped" if row.state == "running" and not record.at_work else row.state


def _training(row: QueueRow) -> str:
    return "-" if row.step is None else f"{row.trainings}: step {row.step} of {row.total_steps}"


def _span(minutes: float) -> str:
    """Return a time in words.

    >>> _span(0.4), _span(125.0)
    ('0 min', '2 h 05 min')
    """
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"
