"""Where results go: looked at before the work, so that nothing is lost at its end."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from fleetfoot.core.errors import DataError

LEAST_FREE = 20_000_000  # bytes; the smallest bundle has fewer
OF_A_VOLUME = {"lost+found"}  # what a fresh volume has without being used


def expanded(path: str | Path) -> Path:
    """Return a path with its ``~`` spelled out; a name such as ``~$a.jpg`` is nobody's home.

    >>> str(expanded("~$a.jpg"))
    '~$a.jpg'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_file(path: Path) -> bool:
    """Return whether a file is there; words that are too long for a name are none."""
    return not _is_too_long(path) and path.is_file()


def is_folder(path: Path) -> bool:
    """Return whether a folder is there, likewise."""
    return not _is_too_long(path) and path.is_dir()


def _is_too_long(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def is_vacant(path: Path, *, but: str = "") -> bool:
    """Return whether nothing is there, or a folder without content ``but`` one file."""
    if not path.is_dir():
        return not os.path.lexists(path)
    return all(entry.name in (*OF_A_VOLUME, but) for entry in path.iterdir())


def check_out(path: Path, *, least_free: int = LEAST_FREE) -> None:
    """Refuse a folder that results cannot be written to; nothing is left there.

    Raises:
        DataError: it is a file, or lies below one, or may not be written.
        OSError: its disk is full.
    """
    place = path
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        what = "is a file" if place == path else f"{place} is a file"
        raise DataError(f"--out {path}: {what}; name a folder")
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise DataError(
            f"--out {path}: cannot be written ({error.strerror}); change the permission or name "
            "another folder"
        ) from error
    if free < least_free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
