"""Names of files: which file a name means, and which names mean one file.

A table comes from another system. Where no file has the name as it is written, the same name is
tried without blanks around it, with slashes for backslashes, and with its accents in the other
Unicode form.
"""

import itertools
import os
import unicodedata
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

LOOKED_UP = 200_000


def on_disk(root: Path, name: str) -> str:
    """Return the name under which a file is found in ``root``; as written if it is not there."""
    plain = name.isascii() and "\\" not in name and name == name.strip()
    if plain or _exists(root / name):
        return name
    for form in dict.fromkeys((name, name.strip(), name.strip().replace("\\", "/"))):
        found = _walked(root, form)
        if found is not None:
            return found
    return name.strip()


def identities(keys: Sequence[str], reader: Any) -> list[Hashable]:
    """Return for each key what its file is: equal for two names, or links, of one file.

    Beyond `LOOKED_UP` keys the disk is not asked: then links are other files.

    Args:
        keys: of a reader.
        reader: with a method ``path`` where its keys are files; other keys stand for themselves.
    """
    path_of = getattr(reader, "path", lambda _: None)
    look = len(keys) <= LOOKED_UP
    return [_identity(path_of(key), look=look) or key for key in keys]


def _identity(path: Path | None, *, look: bool) -> Hashable:
    if path is None or not look:
        return path
    try:
        found = path.stat()
    except (OSError, ValueError):  # not there, or no name of a file
        return path
    return found.st_dev, found.st_ino


def _walked(root: Path, name: str) -> str | None:
    """Return the name with each of its parts as the disk has it, or None."""
    found = Path()
    for part in Path(name).parts:
        forms = (unicodedata.normalize(form, part) for form in ("NFC", "NFD"))
        there = (found / form for form in itertools.chain((part,), forms))
        step = next((path for path in there if _exists(root / path)), None)
        if step is None:
            return None
        found = step
    return os.fspath(found)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a null character
        return False
