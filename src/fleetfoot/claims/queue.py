"""A queue of claims in a folder: what is to be measured, what became of it, all in plain files.

    queue.json       what was asked for: scale, data, results, ids
    claims/ID.json   one claim: its state, how far its present training is, why it failed
    trainings/       states and outcomes of trainings (`claims.training`)
    logs/ID.log      what the process of a claim wrote
    lock             held by the one that works on the queue

Every file is written whole or not at all. A damaged one of a claim counts as "not begun": the
trainings that it took are kept, so that little is lost.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fleetfoot.claims.claim import Scale, Setting
from fleetfoot.claims.stored import file_name
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.listener import Listener
from fleetfoot.core.results import to_json

SCHEMA = "fleetfoot.queue/1"

State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a queue was asked for.

    Attributes:
        scale: of all its claims.
        out: folder of the results.
        data: folder of data sets, None where there is none.
        ids: of the claims, in the order of the ledger.
    """

    scale: Scale
    out: Path
    data: Path | None
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one claim so far.

    Attributes:
        state: "failed" is tried again only when asked.
        stage: what is being done; None before the first word of it.
        step: of the present training; None where no training runs.
        total_steps: of it.
        since: when the present training began, or went on after a stop, UTC.
        trainings: begun in this process, the present one included.
        worked_minutes: in all processes together.
        error: why it failed.
        exit_code: of `error`; 0 without one.
    """

    state: State = "waiting"
    stage: str | None = None
    step: int | None = None
    total_steps: int | None = None
    since: str | None = None
    trainings: int = 0
    worked_minutes: float = 0.0
    error: str | None = None
    exit_code: int = 0


class Queue:
    """The folder of a queue; reading it needs no lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "lock"
        self.trainings = folder / "trainings"

    def order(self) -> Order:
        """Return what was asked for.

        Raises:
            DataError: nothing was, or the file is damaged.
        """
        path = self.folder / "queue.json"
        if not path.exists():
            raise DataError(
                f"{self.folder}: holds no queue; begin one with `claims run ID... --queue`"
            )
        kept = read_json(path, what="queue")
        try:
            if kept["schema"] != SCHEMA:
                raise DataError(f"{path}: is not a queue ({SCHEMA})")
            data = None if kept["data"] is None else Path(kept["data"])
            return Order(
                scale=kept["scale"], out=Path(kept["out"]), data=data, ids=tuple(kept["ids"])
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{path}: the queue is damaged; name its claims again, what was measured is kept"
            ) from error

    def take(self, order: Order) -> Order:
        """Write an order, with the claims that the queue already holds; return both together.

        Raises:
            UsageError: the queue is of another scale.
        """
        try:
            held = self.order()
        except DataError:  # a new queue, or a damaged one whose claims are named again
            held = order
        if held.scale != order.scale:
            raise UsageError(
                f"--scale {order.scale}: the queue {self.folder} is of the {held.scale} scale; "
                "take another folder"
            )
        order = replace(order, ids=tuple(sorted({*held.ids, *order.ids})))
        for folder in (self.folder / "claims", self.folder / "logs", self.trainings):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "queue.json", to_json(order, schema=SCHEMA))
        return order

    def entry(self, identity: str) -> Entry:
        """Return what became of a claim.

        Raises:
            DataError: its file is damaged.
        """
        path = self._path(identity)
        if not path.exists():
            return Entry()
        kept = read_json(path, what="queue")
        try:
            return Entry(**{part.name: kept[part.name] for part in fields(Entry)})
        except KeyError as error:
            raise DataError(f"{path}: the queue is damaged, it lacks {error}") from error

    def entry_or_new(self, identity: str) -> Entry:
        """Return what became of a claim; one whose file is damaged has not begun."""
        try:
            return self.entry(identity)
        except DataError:
            return Entry()

    def write(self, identity: str, entry: Entry) -> None:
        """Write what became of a claim."""
        write_json(self._path(identity), {"id": identity, **asdict(entry)})

    def entries(self, order: Order) -> tuple[dict[str, Entry], tuple[str, ...]]:
        """Return all entries by id, and what is wrong with those that count as not begun.

        A claim whose result is no longer there is not done.
        """
        found: dict[str, Entry] = {}
        problems: list[str] = []
        for identity in order.ids:
            try:
                entry = self.entry(identity)
            except DataError as error:
                entry = Entry()
                problems.append(f"{error}: it is measured again, from the trainings that are kept")
            if entry.state == "done" and not self.result(order, identity).exists():
                entry = replace(entry, state="waiting")
            found[identity] = entry
        return found, tuple(problems)

    def result(self, order: Order, identity: str) -> Path:
        """Return where the result of a claim goes."""
        return order.out / file_name(identity, order.scale)

    def log(self, identity: str) -> Path:
        """Return where what the process of a claim writes goes."""
        return self.folder / "logs" / f"{_flat(identity)}.log"

    def setting(self, order: Order, listener: Listener) -> Setting:
        """Return the setting in which its claims are measured."""
        return Setting(
            scale=order.scale, data=order.data, listener=listener, trainings=self.trainings
        )

    def _path(self, identity: str) -> Path:
        return self.folder / "claims" / f"{_flat(identity)}.json"


def minutes_left(entries: Iterable[Entry], workers: int) -> float | None:
    """Return how long a queue still takes, from the mean time of its finished claims.

    Returns:
        None as long as no claim is finished: nothing is known then.

    >>> minutes_left([Entry(state="done", worked_minutes=10.0), Entry(), Entry()], workers=2)
    10.0
    """
    every = list(entries)
    finished = [entry.worked_minutes for entry in every if entry.state == "done"]
    if not finished:
        return None
    mean = sum(finished) / len(finished)
    left = [e.worked_minutes for e in every if e.state in ("waiting", "running")]
    rest = [max(mean - worked, 0.0) for worked in left]
    return sum(rest) / max(1, min(workers, len(rest)))


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _flat(identity: str) -> str:
    return identity.replace("/", ".")
