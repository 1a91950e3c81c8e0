"""Locks on files: advisory, ended with their process however it ends.

Limits   without flock (Windows), and on file systems that have no locks, every lock is given
"""

import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path

SHARED, ALONE, AT_ONCE, FREE = 1, 2, 4, 8  # as flock(2) has them on every system


def flock(file: int, kind: int) -> bool:
    """Lock an open file, or free it; return False if another holds it and ``kind`` has `AT_ONCE`.

    Args:
        file: descriptor; a second lock on it replaces the first.
        kind: `SHARED`, `ALONE` or `FREE`.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def locked(path: Path) -> Generator[bool]:
    """Hold a file, made if it is not there, and yield True; yield False if another holds it.

    Raises:
        OSError: the file cannot be made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield flock(file, ALONE | AT_ONCE)
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """Return whether another holds a file; one that is not there is free."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not flock(file, SHARED | AT_ONCE)
    finally:
        os.close(file)
