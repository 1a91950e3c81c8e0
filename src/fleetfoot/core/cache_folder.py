"""Where what is compiled once is kept: the user's cache, or a private folder where there is none.

A user without a home folder, or with one that cannot be written, has no cache. What lies there is
run: among the files of others a folder that they may write is not used.
"""

import contextlib
import functools
import os
import stat
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return a folder of our own that can be written."""
    home, shared = _home(), Path(tempfile.gettempdir(), f"fleetfoot-cache-{_user()}")
    if home is not None and _can_be_written(home):
        return home
    if _can_be_written(shared) and _is_private(shared):
        return shared
    return _of_this_process()


@functools.cache
def _of_this_process() -> Path:
    return Path(tempfile.mkdtemp(prefix="fleetfoot-cache-"))


def _home() -> Path | None:
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given, "fleetfoot")
    try:
        return Path.home() / ".cache" / "fleetfoot"
    except RuntimeError:  # no HOME, and the system knows none of this user
        return None


def _can_be_written(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.access(folder, os.W_OK | os.X_OK)


def _is_private(folder: Path) -> bool:
    """Whether a folder is this user's, and none but they may write it."""
    if not hasattr(os, "geteuid"):
        return True
    status = folder.lstat()
    ours = status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode)
    return ours and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0
