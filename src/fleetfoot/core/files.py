"""Files that are whole or absent: written to a temporary name, synced, renamed."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError
from fleetfoot.core.out_folder import OF_A_VOLUME


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` so that a reader, or a power cut, never sees half a file.

    Raises:
        OSError: the disk is full or the folder cannot be written; ``path`` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str) -> None:
    r"""`write_bytes` for text, in UTF-8.

    A byte of a file name in another encoding is written as JSON writes it: \udce9.
    """
    write_bytes(path, content.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """`write_text` of strict JSON (no NaN), indented, with a final newline."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, *, what: str = "file") -> dict[str, Any]:
    """Return the object in a JSON file.

    Args:
        path: the file.
        what: what the user calls it, for the message: "bundle", "run".

    Raises:
        DataError: missing, unreadable, not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: the {what} has no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}); the {what} is damaged") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds no JSON object; the {what} is damaged")
    return value


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """Yield a temporary folder; on success it replaces ``path``, after an exception nothing has.

    It lies beside ``path`` and takes its place in one step. Where ``path`` cannot be renamed (a
    mounted volume, or a folder whose parent may not be written) it lies inside, and its files are
    moved out one by one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fixed = path.is_dir() and (path.is_mount() or not os.access(path.parent, os.W_OK))
    token = secrets.token_hex(4)
    temporary, old = (
        (path / name if fixed else path.with_name(name))
        for name in (f".{path.name}.{token}.tmp", f".{path.name}.{token}.old")
    )
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if fixed:
            old.mkdir()
            _move(path, old, but=(temporary, old))
            _move(temporary, path)
            temporary.rmdir()
        else:
            if path.exists():
                path.rename(old)
            temporary.rename(path)
        sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _move(source: Path, target: Path, *, but: tuple[Path, ...] = ()) -> None:
    for entry in list(source.iterdir()):
        if entry not in but and entry.name not in OF_A_VOLUME:
            entry.rename(target / entry.name)


def sync_folder(path: Path) -> None:
    """Make a rename inside ``path`` survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def system_error(error: Exception) -> OSError:
    """Return the "no space left" and the like that safetensors has wrapped into its own error."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))
