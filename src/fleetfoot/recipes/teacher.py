"""The teacher of a distillation: a finished run, a folder of weights, or a network with weights."""

from collections.abc import Sequence
from pathlib import Path

from fleetfoot.core.errors import UsageError
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.nets.catalog import entries, entry
from fleetfoot.nets.create import LOCAL, create
from fleetfoot.nets.portable import read_portable
from fleetfoot.nets.weights import load_weights, pretrained
from fleetfoot.train.steps.distill import Teacher


def check_teacher(word: str, weights: str, classes: Sequence[str]) -> None:
    """Check that there is such a teacher, and that it answers with these classes.

    Args:
        word: a run, its bundle, a folder of weights, or the name of a network.
        weights: of a network by name: a file, or "auto" for published ones.
        classes: names of the classes of the data, in order.

    Raises:
        UsageError: there is none, or it knows other classes.
        DataError: its folder of weights is damaged.
        MissingError: the package with its weights is not installed.
    """
    folder = _folder(word)
    if folder is None:
        load_teacher(word, weights, len(classes))
        return
    saved = read_portable(folder)
    if saved.classes and saved.classes != tuple(classes):
        raise UsageError(
            f"teacher={word} knows the classes {_named(saved.classes)}, the data have "
            f"{_named(classes)}: a teacher answers with the classes of the data, in their order"
        )
    _check_count(word, saved.created_as.num_classes, len(classes))


def load_teacher(word: str, weights: str, classes: int) -> Teacher:
    """Return the teacher of a word; see `check_teacher`."""
    folder = _folder(word)
    if folder is not None:
        saved = read_portable(folder).preprocess
        preprocess = None if saved is None else Preprocess.from_json(saved)
        return Teacher(create(f"{LOCAL}{folder}"), preprocess)
    if word not in {known.name for known in entries()}:
        raise UsageError(
            f"teacher={word} is neither a finished run, nor a folder of weights, nor a network"
        )
    info = pretrained(word) if weights == "auto" else None
    if info is None and weights == "auto":
        raise UsageError(f"teacher={word} has no published weights: give weights=FILE, or a run")
    net = create(word, num_classes=classes)
    report = load_weights(net, word if info is not None else Path(weights))
    if report.missing:
        _check_count(word, entry(word).classes, classes)
        raise UsageError(f"teacher={word}: its weights are not of {classes} classes")
    if info is None:
        return Teacher(net, None)
    size = entry(word).input[-1]
    return Teacher(net, Preprocess.from_json({"size": size, **info.preprocess}))


def _folder(word: str) -> Path | None:
    """Return the folder of portable weights that a path names, or None."""
    path = Path(word).expanduser()
    beside = (path.parent,) if (path / "bundle.json").is_file() else ()
    places = (path, *(place / "weights" for place in (path, *beside)))
    return next((place for place in places if (place / "config.json").is_file()), None)


def _check_count(word: str, known: int, classes: int) -> None:
    if known != classes:
        raise UsageError(f"teacher={word} answers with {known} classes, the data have {classes}")


def _named(classes: Sequence[str], most: int = 3) -> str:
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return ", ".join(classes[:most]) + more
