"""RUN arguments: a run folder, a bundle folder or the name of a network; and new run folders."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fleetfoot.core.errors import DataError, UsageError

RUNS = Path("runs")


@dataclass(frozen=True)
class Target:
    """What a RUN argument means.

    Attributes:
        kind: ``run`` and ``bundle`` are folders, ``net`` is a name.
        text: the argument as it was given.
        folder: the run or bundle folder; None for a network.
    """

    kind: Literal["run", "bundle", "net"]
    text: str
    folder: Path | None


def resolve(text: str) -> Target:
    """Return what a RUN argument means; names of networks are not checked here.

    Raises:
        DataError: a path that is missing, or a folder that is neither a run nor a bundle.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        if (path / "bundle.json").is_file():
            return Target("bundle", text, path)
        if any((path / name).exists() for name in ("run.json", "bundle", "weights", "plan.json")):
            return Target("run", text, path)
        raise DataError(f"{text}: is neither a run nor a bundle (no run.json, no bundle.json)")
    if path.name == "bundle.json" and path.is_file():
        return Target("bundle", text, path.parent)
    if path.exists():
        raise DataError(f"{text}: is a file; name a run folder, a bundle folder or a network")
    if _looks_like_path(text):
        raise DataError(f"{text}: no such folder")
    return Target("net", text, None)


def bundle_of(text: str) -> Path:
    """Return the bundle folder of a RUN argument; imports no torch.

    Raises:
        DataError: the folder is missing, no bundle, or a run that has none yet.
    """
    target = resolve(text)
    if target.folder is None:
        raise DataError(
            f"{text}: no such folder; `fleetfoot fit` or `fleetfoot deploy` writes a bundle"
        )
    if target.kind == "bundle":
        return target.folder
    folder = target.folder / "bundle"
    if not (folder / "bundle.json").is_file():
        raise DataError(f"{text}: has no bundle yet; `fleetfoot deploy {text}` writes it")
    return folder


def check_net(name: str) -> None:
    """Refuse a name that is no network, with the nearest names.

    Raises:
        UsageError: no such network (and no such folder).
        MissingError: torch is not installed.
    """
    from fleetfoot.core.errors import require

    require("torch", extra="train")
    from fleetfoot.nets.catalog import entry

    try:
        entry(name)
    except UsageError as error:
        raise UsageError(f"{error}; and there is no folder {name!r}") from None


def data_name(data: str) -> str:
    """Return a short name for a data set, fit for a folder.

    >>> [data_name(text) for text in ("digits", "cifar10:/data/cifar10", "my photos/", "a/b.csv")]
    ['digits', 'cifar10', 'my_photos', 'b']
    """
    kind, colon, _ = data.partition(":")
    if colon and kind.isalnum() and len(kind) > 1 and not Path(data).exists():
        return kind
    path = Path(data).expanduser()
    path = path if path.name not in ("", ".", "..") else path.resolve()
    name = path.name if path.is_dir() else path.stem
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "run"


def new_run_folder(data: str, *, out: str | Path | None = None) -> Path:
    """Make and return an empty run folder: ``runs/NAME``, ``runs/NAME2``, ... or ``out``.

    Raises:
        UsageError: ``out`` exists and is not empty.
    """
    if out is not None:
        folder = Path(out).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"--out {out}: exists; name another folder or remove it first")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    RUNS.mkdir(exist_ok=True)
    name = data_name(data)
    for number in itertools.count(1):
        folder = RUNS / (name if number == 1 else f"{name}{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable: the count has no end")


def load_net(target: Target, *, weights: str = "auto", **options: Any) -> Any:
    """Return the trained or named network as an ``nn.Module``.

    Args:
        target: a run (its portable weights) or a network name.
        weights: for a name: ``auto`` (its published weights where they can be had), ``none``
            (untrained) or the path of a weights file or folder.
        options: passed to `fleetfoot.create`.

    Raises:
        UsageError: unknown network, or a bundle, which holds no torch weights.
        DataError: a run without weights, or weights that do not fit.
    """
    from fleetfoot.core.errors import require

    require("torch", extra="train")
    from fleetfoot.nets.create import create

    if target.kind == "bundle":
        raise UsageError(f"{target.text}: is a bundle; this needs the run it came from")
    if target.kind == "run":
        folder = (target.folder or Path()) / "weights"
        if not folder.is_dir():
            raise DataError(f"{target.text}: has no weights/ yet; the run did not finish")
        return create(f"local:{folder}", **options)
    check_net(target.text)
    if weights in ("auto", "none"):
        return create(
            target.text, pretrained=weights == "auto" and can_have(target.text), **options
        )
    from fleetfoot.nets.weights import load_weights

    net = create(target.text, **options)
    load_weights(net, weights)
    return net


def can_have(name: str) -> bool:
    """Return whether published weights of a network are installed here."""
    from fleetfoot.nets.weights import pretrained

    info = pretrained(name)
    return info is not None and bool(getattr(info, "installed", True))


def _looks_like_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith((".", "~"))
