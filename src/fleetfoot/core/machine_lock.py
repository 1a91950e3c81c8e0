"""The lock of the machine: a measurement is alone on it, background work waits at its next step.

Two files are locked. Work passes `gate` and holds `busy`, shared, for one step. A
measurement holds `gate`, so that no further step begins, and then waits for `busy`: for one step of
each worker at most. Locks end with their process, however it ends.

Limits   sees one user's processes that have the same folder for temporary files. Without flock
         (Windows), or where no folder can be written, everything goes on without a lock
"""

import contextlib
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Generator

from fleetfoot.core.file_lock import ALONE, AT_ONCE, FREE, SHARED, flock
from fleetfoot.core.listener import SILENT, Listener

WAITING = "another measurement is running on this machine; waiting for it"
MOMENT_SECONDS = 0.5  # a worker passes the gate in less; who holds it longer measures
FOLDERS = ("/tmp", "/var/tmp")  # where TMPDIR names none
MEASURING = "FLEETFOOT_MEASURING"  # tells the processes that a measurement starts who holds it


@contextlib.contextmanager
def measuring(listener: Listener = SILENT) -> Generator[None]:
    """Be alone on the machine: no other measurement, and no step of background work.

    A measurement inside another, also in a process that it started, goes on. Inside a turn of
    `working` that turn rests meanwhile. ``listener`` hears when another measurement is waited for.
    """
    try:
        _lock.begin_measurement(listener)
        yield
    finally:
        _lock.end_measurement()


@contextlib.contextmanager
def working() -> Generator[None]:
    """Hold one turn of background work, as long as a step; it costs a few microseconds.

    Waits while something is measured; inside a measurement it does nothing. Inside another turn,
    which may last as long as the process, it begins with a `rest`.
    """
    try:
        _lock.begin_turn()
        yield
    finally:
        _lock.end_turn()


def rest() -> None:
    """Let a measurement that waits go first, if this process is in a turn of `working`."""
    _lock.begin_turn(more=0)


def is_measuring() -> bool:
    """Return whether a measurement, in this process or another, holds the machine."""
    files = _open_files()
    held = files is not None and not flock(files[0], SHARED | AT_ONCE)
    _close(files)
    return held


class _Lock:
    """What this process holds; threads that measure at one time hold it together."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.measurements = 0
        self.turns = 0
        self.alone = False  # this process, not one that started it, holds both files
        self.files: tuple[int, int] | None = None
        self.may_lock = True

    def begin_measurement(self, listener: Listener) -> None:
        with self.guard:
            self.measurements += 1
            if self.measurements == 1 and (files := self.open()) and not _by_parent(files[1]):
                gate, busy = files
                flock(busy, FREE)  # of the turn that this measurement is part of
                _pass_gate(gate, listener)
                flock(busy, ALONE)
                _sign(busy, f"{os.getpid()}-{secrets.token_hex(4)}")
                self.alone = True

    def end_measurement(self) -> None:
        with self.guard:
            self.measurements -= 1
            if self.measurements == 0 and self.files:
                if self.alone:
                    _sign(self.files[1], None)
                self.alone = False
                if not _by_parent(self.files[1]):
                    self.give_back()

    def begin_turn(self, more: int = 1) -> None:
        with self.guard:
            self.turns += more
            free = self.turns and not self.measurements
            if free and (files := self.open()) and not _by_parent(files[1]):
                gate, busy = files
                for file, kind in ((busy, FREE), (gate, SHARED), (busy, SHARED), (gate, FREE)):
                    flock(file, kind)

    def end_turn(self) -> None:
        with self.guard:
            self.turns -= 1
            if self.turns == self.measurements == 0:
                self.give_back()

    def give_back(self) -> None:
        """Release both files; a turn of work that a measurement was part of goes on."""
        if self.files:
            gate, busy = self.files
            flock(busy, SHARED if self.turns else FREE)
            flock(gate, FREE)

    def open(self) -> tuple[int, int] | None:
        """Return the descriptors of gate and busy; None where there can be no lock."""
        if self.files and os.fstat(self.files[0]).st_nlink == 0:  # the folder was tidied up
            _close(self.files)
            self.files = None
        if self.files is None and self.may_lock:
            self.files = _open_files()
            self.may_lock = self.files is not None
        return self.files


def _open_files() -> tuple[int, int] | None:
    if sys.platform == "win32":
        return None
    for parent in (os.environ.get("TMPDIR"), *FOLDERS):
        with contextlib.suppress(OSError):
            if parent:
                return _open_in(f"{parent}/fleetfoot-{os.geteuid()}")
    return None


def _open_in(folder: str) -> tuple[int, int]:
    """Open both files in a folder that is this user's alone; a planted link is not followed."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)  # noqa: PTH102  pathlib is slower to import
    inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        facts = os.fstat(inside)
        if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        gate, busy = (os.open(name, flags, 0o600, dir_fd=inside) for name in ("gate", "busy"))
        return gate, busy
    finally:
        os.close(inside)


def _close(files: tuple[int, int] | None) -> None:
    for file in files or ():
        os.close(file)


def _pass_gate(gate: int, listener: Listener) -> bool:
    end = time.monotonic() + MOMENT_SECONDS
    while not flock(gate, ALONE | AT_ONCE):
        time.sleep(0.01)
        if time.monotonic() > end:
            listener.message(WAITING)
            return flock(gate, ALONE)
    return True


def _sign(busy: int, name: str | None) -> None:
    """Write who holds the lock, for the processes that this one starts meanwhile."""
    with contextlib.suppress(OSError):
        os.environ.pop(MEASURING, None)
        os.ftruncate(busy, 0)
        if name:
            os.pwrite(busy, name.encode(), 0)
            os.environ[MEASURING] = name


def _by_parent(busy: int) -> bool:
    """Return whether the process that started this one, or one further up, is measuring."""
    name = os.environ.get(MEASURING)
    return bool(name) and os.pread(busy, 64, 0) == name.encode()


def _forget() -> None:  # in a forked child, what its parent holds
    global _lock
    _close(_lock.files)
    _lock = _Lock()


_lock = _Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
