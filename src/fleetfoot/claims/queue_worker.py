"""The process that measures one claim of a queue, at the lowest priority.

Command   python -m fleetfoot.claims.queue_worker QUEUE ID

It ends with the process that started it, whose end closes its standard input. Its work is one long
turn of `machine_lock.working`, in which every step of a training lets measurements go first.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleetfoot.claims.ledger import attempt, matching
from fleetfoot.claims.queue import Entry, Queue, now
from fleetfoot.claims.stored import store
from fleetfoot.core.errors import FleetfootError, explain
from fleetfoot.core.machine_lock import working

WRITE_SECONDS = 10.0


class Diary:
    """A listener that keeps the entry of a claim up to date; what a full disk keeps out is lost."""

    def __init__(self, queue: Queue, identity: str) -> None:
        self.queue, self.identity = queue, identity
        before = queue.entry_or_new(identity).worked_minutes
        self.entry = Entry(state="running")
        self.start = time.monotonic() - 60 * before
        self.written = 0.0

    def stage(self, text: str) -> None:
        self._note(stage=text, step=None, total_steps=None, since=None)
        self._write()

    def message(self, text: str) -> None:
        sys.stderr.write(f"{now()} {text}\n")
        sys.stderr.flush()

    def update(self, **facts: Any) -> None:
        step, entry = facts.get("step"), self.entry
        if step is None:
            return
        if entry.step is None or step <= entry.step:  # of another training
            self._note(since=now(), trainings=entry.trainings + 1)
        self._note(step=step, total_steps=facts.get("total_steps", entry.total_steps))
        if time.monotonic() - self.written > WRITE_SECONDS:
            self._write()

    def close(self) -> None: ...

    def finish(self, **facts: Any) -> None:
        """Write what became of the claim.

        Raises:
            OSError: the disk is full.
        """
        self._note(step=None, total_steps=None, since=None, **facts)
        self.queue.write(self.identity, self.entry)

    def _note(self, **facts: Any) -> None:
        minutes = (time.monotonic() - self.start) / 60
        self.entry = replace(self.entry, worked_minutes=minutes, **facts)

    def _write(self) -> None:
        with suppress(OSError):
            self.queue.write(self.identity, self.entry)
        self.written = time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """Measure one claim of a queue and note what became of it; return the exit code."""
    folder, identity = arguments
    _end_with_parent()
    _be_last()
    with working():
        measure(Queue(Path(folder)), identity)
    return 0


def measure(queue: Queue, identity: str) -> None:
    """Measure a claim, store its result and note what became of it.

    Raises:
        OSError: nothing can be noted.
    """
    order, diary = queue.order(), Diary(queue, identity)
    diary.stage("begins")
    try:
        (claim,) = matching([identity])
        result = attempt(claim, queue.setting(order, diary))
        if isinstance(result, FleetfootError):
            raise result
        store(result, order.out)
    except (FleetfootError, OSError) as error:
        reason, code = explain(error)
        diary.finish(state="failed", error=reason, exit_code=code)
    else:
        diary.finish(state="done", stage=None)


def _end_with_parent() -> None:
    def wait() -> None:
        while os.read(0, 4096):  # not through Python's own buffer, which blocks its exit
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _be_last() -> None:
    """Take what time others leave: of the processor, and with it of the disk."""
    with suppress(AttributeError, OSError):
        os.nice(19)
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Linux may group processes by session; priorities then count within a group alone.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text("19", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
