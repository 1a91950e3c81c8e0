"""Work on a queue of claims: as many processes as there are processors, one claim each.

A process that dies is started again, three times at most. Claims of one paper share trainings and
wait for each other there: while there is a choice, claims of different papers run at one time.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from fleetfoot.claims.queue import Entry, Order, Queue
from fleetfoot.core.child_process import child_environment
from fleetfoot.core.errors import UsageError
from fleetfoot.core.file_lock import locked
from fleetfoot.core.listener import Listener

COMMAND = (sys.executable, "-m", "fleetfoot.claims.queue_worker")
POLL_SECONDS = 0.2
END_SECONDS = 5.0
MOST_DEATHS = 3
AT_WORK = "{}: another process works on this queue; see `claims queue`"


def work_on(
    queue: Queue,
    order: Order,
    *,
    workers: int,
    listener: Listener,
    again: bool = False,
    command: Sequence[str] = COMMAND,
) -> None:
    """Measure every claim of a queue that is neither done nor failed.

    However this ends, its processes end with it, and what they have saved is gone on with next
    time.

    Args:
        queue: the folder.
        order: what it was asked for.
        workers: claims that are measured at one time.
        listener: hears what begins and ends.
        again: try those that failed once more.
        command: starts the process of a claim, with folder and id behind it.

    Raises:
        UsageError: another process works on this queue.
        OSError: the disk is full.
    """
    with ExitStack() as stack:
        if not stack.enter_context(locked(queue.lock)):
            raise UsageError(AT_WORK.format(queue.folder))
        entries, problems = queue.entries(order)
        for problem in problems:
            listener.message(problem)
        left = [
            i for i, e in entries.items() if e.state != "done" and (again or e.state != "failed")
        ]
        crew = _Crew(queue, left, len(order.ids), listener, command)
        stack.callback(crew.dismiss)
        while crew.start(workers):
            time.sleep(POLL_SECONDS)
            crew.collect()


@dataclass
class _Crew:
    """The processes at work, and what waits for one."""

    queue: Queue
    waiting: list[str]
    total: int
    listener: Listener
    command: Sequence[str]
    running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)

    def start(self, workers: int) -> bool:
        """Start processes as long as there are claims; return whether any is at work."""
        while len(self.running) < workers and self.waiting:
            at_work = {_paper(identity) for identity in self.running}
            apart = (i for i in self.waiting if _paper(i) not in at_work)
            chosen = next(apart, self.waiting[0])
            self.waiting.remove(chosen)
            self._start(chosen)
        return bool(self.running)

    def collect(self) -> None:
        """Note what became of processes that have ended."""
        for identity, process in list(self.running.items()):
            code = process.poll()
            if code is None:
                continue
            del self.running[identity]
            _close(process)
            entry = self.queue.entry_or_new(identity)
            if entry.state == "running":
                self._died(identity, entry, code)
            else:
                self._ended(identity, entry)

    def dismiss(self) -> None:
        """End all processes; they end by themselves too once this one has."""
        for process in self.running.values():
            _close(process)
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()
            process.wait()

    def _start(self, identity: str) -> None:
        entry = self.queue.entry_or_new(identity)
        self.queue.write(identity, replace(entry, state="running", error=None, exit_code=0))
        with self.queue.log(identity).open("ab") as log:
            self.running[identity] = subprocess.Popen(
                [*self.command, str(self.queue.folder), identity],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=child_environment(threads=1),
                start_new_session=True,  # Ctrl-C is for this process
            )
        self.listener.stage(f"{identity}: begins")

    def _died(self, identity: str, entry: Entry, code: int) -> None:
        self.deaths[identity] += 1
        deaths = self.deaths[identity]
        reason = f"its process {_how(code)}, see {self.queue.log(identity)}"
        if deaths < MOST_DEATHS:
            self.listener.message(f"{identity}: {reason}; it is started again")
            self.waiting.insert(0, identity)
            return
        failed = replace(entry, state="failed", error=f"{reason} ({deaths} times)", exit_code=1)
        self.queue.write(identity, failed)
        self._ended(identity, failed)

    def _ended(self, identity: str, entry: Entry) -> None:
        self.listener.message(f"{identity}: {entry.error or entry.state}")
        left = len(self.waiting) + len(self.running)
        self.listener.update(done=self.total - left, total=self.total)


def _paper(identity: str) -> str:
    return identity.partition("/")[0]


def _close(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
