"""The image files below a folder, and what else lies there: nothing is left out without its name.

Read      files whose names end as those of pictures do, sorted; links are followed, once. A picture
          of a format that is not read is given, too, and refused when it is opened, unless it lies
          there in another format as well (a raw file beside its JPEG)
Left out  what systems and programs put beside pictures, thumbnails among it; hidden files and
          folders; files that are no pictures
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from fleetfoot.core.errors import DataError
from fleetfoot.data.picture_formats import EXTENSIONS, UNREAD

SHOWN = 3
SYSTEM = re.compile(
    r"@eadir|@tmp|#recycle|#snapshot|@recycle|@recently-snapshot|@sharebin|\$recycle\.bin|recycler"
    r"|system volume information|lost\+found|__macosx|__pycache__|thumbs\.db|ehthumbs\.db"
    r"|desktop\.ini|network trash folder|temporary items|icon\r",
    re.IGNORECASE,
)
"""Names that a person has not chosen, and which are not hidden: of NAS boxes and systems."""

_SYSTEM, _HIDDEN, _OTHER = "of the system", "hidden", "no images"
_TWICE = "there in another format as well"


class LeftOut:
    """What is left out of a folder, by reason: how much, and the first names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._found: dict[str, list[str]] = {}

    def add(self, path: Path, reason: str) -> None:
        """Note a file or folder."""
        name = path.relative_to(self.root).as_posix()
        self._found.setdefault(reason, []).append(name)

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each reason."""
        return tuple(f"left out, {why}: {_listed(self._found[why])}" for why in self._found)


def images_in(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    """Yield the image files below a folder, sorted within each folder.

    Raises:
        DataError: a folder cannot be read.
    """
    seen: set[str] = set()  # links may lead in circles
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = chosen(parent, folders, left_out)
        names = chosen(parent, files, left_out)
        read = {PurePath(name).stem for name in names if _extension(name) in EXTENSIONS}
        for name in names:
            path, extension = Path(parent, name), _extension(name)
            if extension not in EXTENSIONS and extension not in UNREAD:
                left_out.add(path, _OTHER)
            elif extension in UNREAD and path.stem in read:
                left_out.add(path, _TWICE)
            else:
                yield path


def chosen(parent: Path | str, names: list[str], left_out: LeftOut) -> list[str]:
    """Return those names in a folder that a person has chosen and can see, sorted."""
    kept: list[str] = []
    for name in sorted(names):
        if SYSTEM.fullmatch(name):
            left_out.add(Path(parent, name), _SYSTEM)
        elif name.startswith("."):
            left_out.add(Path(parent, name), _HIDDEN)
        else:
            kept.append(name)
    return kept


def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _listed(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} ({shown}{more})"
