"""Class folders: ``root/<class>/*.jpg``, or ``root/{train,val,test}/<class>/*.jpg``.

A folder counts as a split only if it holds folders, so that a class may be called "train". Images
may lie deeper inside a class folder. Whatever is left out is named in a note.
"""

from pathlib import Path

from fleetfoot.core.errors import DataError
from fleetfoot.data.image_files import LeftOut, chosen, images_in
from fleetfoot.data.source import SPLIT_NAMES, WHOLE, FileReader, Row, Source


def read_folder(root: Path) -> Source:
    """Return the images of class folders, sorted by path.

    Raises:
        DataError: no folder, no class folders, no images, or a split named twice.
    """
    left_out = LeftOut(root)
    splits = _split_folders(root, left_out)
    rows: dict[str, tuple[Row, ...]] = {}
    empty: dict[str, tuple[str, ...]] = {}
    for split, folder in splits.items():
        folders = _folders(folder, left_out)
        classes = {path.name: tuple(images_in(path, left_out)) for path in folders}
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
        notes=left_out.notes,
    )


def _split_folders(root: Path, left_out: LeftOut) -> dict[str, Path]:
    unheard = LeftOut(root)  # what lies in a folder is noted when the folder is read
    folders = _folders(root, unheard)
    splits: dict[str, Path] = {}
    for folder in folders:
        word = SPLIT_NAMES.get(folder.name.lower())
        if word is None or not _folders(folder, unheard):
            continue
        if word in splits:
            raise DataError(
                f"{root}: {splits[word].name} and {folder.name} are both {word}; keep one"
            )
        splits[word] = folder
    if not folders:
        raise DataError(
            f"{root}: has no class folders; put the images of each class into a folder "
            "named after the class"
        )
    if not splits:
        return {WHOLE: root}
    _folders(root, left_out)
    for folder in folders:
        if folder not in splits.values():
            left_out.add(folder, _why_no_split(folder, splits, unheard))
    return splits


def _why_no_split(folder: Path, splits: dict[str, Path], unheard: LeftOut) -> str:
    count = sum(1 for _ in images_in(folder, unheard))
    beside = ", ".join(path.name for path in splits.values())
    lacking = folder.name.lower() in SPLIT_NAMES
    why = "a split without class folders" if lacking else "a folder that is no split"
    return f"{why} beside {beside} (images in it: {count})"


def _folders(root: Path, left_out: LeftOut) -> list[Path]:
    """Return the folders in a folder; files beside them belong to no class."""
    try:
        entries = {path.name: path for path in root.iterdir()}
    except FileNotFoundError:
        raise DataError(f"{root}: no such folder") from None
    except OSError as error:
        raise DataError(f"{root}: cannot be read ({error.strerror})") from error
    paths = [entries[name] for name in chosen(root, list(entries), left_out)]
    for path in paths:
        if not path.is_dir():
            left_out.add(path, "in no class folder")
    return [path for path in paths if path.is_dir()]
