"""Class folders: ``root/<class>/*.jpg``, or ``root/{train,val,test}/<class>/*.jpg``.

A folder counts as a split only if it holds folders, so that a class may be called "train". Images
may lie deeper inside a class folder. Names that begin with a dot or with ``__`` are ignored, files
that are no images are counted in a note.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fleetfoot.core.errors import DataError
from fleetfoot.data.source import SPLIT_NAMES, WHOLE, FileReader, Row, Source

_PHOTOGRAPHS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")
EXTENSIONS = frozenset((*_PHOTOGRAPHS, ".gif", ".ppm", ".pgm", ".pbm", ".pnm"))


def read_folder(root: Path) -> Source:
    """Return the images of class folders, sorted by path.

    Raises:
        DataError: no folder, no class folders, no images, or a split named twice.
    """
    folders = _folders(root)
    splits = _split_folders(root, folders)
    rows: dict[str, tuple[Row, ...]] = {}
    empty: dict[str, tuple[str, ...]] = {}
    ignored: Counter[str] = Counter()
    for split, folder in splits.items():
        classes = {path.name: tuple(_images(path, ignored)) for path in _folders(folder)}
        rows[split] = tuple(
            Row(path.relative_to(root).as_posix(), label)
            for label, paths in classes.items()
            for path in paths
        )
        empty[split] = tuple(label for label, paths in classes.items() if not paths)
    return Source(
        name=root.resolve().name,
        rows=rows,
        reader=FileReader(root),
        empty_classes=empty,
        notes=_notes(ignored),
    )


def _split_folders(root: Path, folders: list[Path]) -> dict[str, Path]:
    splits: dict[str, Path] = {}
    for folder in folders:
        word = SPLIT_NAMES.get(folder.name.lower())
        if word is None or not _folders(folder):
            continue
        if word in splits:
            raise DataError(
                f"{root}: {splits[word].name} and {folder.name} are both {word}; keep one"
            )
        splits[word] = folder
    if splits:
        return splits
    if not folders:
        raise DataError(
            f"{root}: has no class folders; put the images of each class into a folder "
            "named after the class"
        )
    return {WHOLE: root}


def _folders(root: Path) -> list[Path]:
    try:
        entries = sorted(root.iterdir())
    except FileNotFoundError:
        raise DataError(f"{root}: no such folder") from None
    except OSError as error:
        raise DataError(f"{root}: cannot be read ({error.strerror})") from error
    return [path for path in entries if not _hidden(path.name) and path.is_dir()]


def _images(folder: Path, ignored: Counter[str]) -> Iterator[Path]:
    seen: set[str] = set()  # links may lead in circles
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else sorted(f for f in folders if not _hidden(f))
        if real in seen:
            continue
        seen.add(real)
        for file in sorted(f for f in files if not _hidden(f)):
            path = Path(parent, file)
            if path.suffix.lower() in EXTENSIONS:
                yield path
            else:
                ignored[path.suffix.lower() or "no extension"] += 1


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def _notes(ignored: Counter[str]) -> tuple[str, ...]:
    return tuple(
        f"ignored files that are no images: {count} ({extension})"
        for extension, count in sorted(ignored.items())
    )
