"""RUN arguments: a run or bundle folder, portable weights, a network; and new run folders."""

import re
import shlex
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fleetfoot.core.errors import DataError, UsageError, require
from fleetfoot.core.file_lock import locked
from fleetfoot.core.out_folder import check_out, expanded, is_vacant
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.jobs.known import TYPICAL, Known

if TYPE_CHECKING:
    from torch import nn

RUNS = Path("runs")
LOCAL = "local:"  # in front of a folder of portable weights, as in `fleetfoot.create`
LOCK = "lock"  # of a run folder
UNTRAINED = "none: untrained"  # as source of weights


@dataclass(frozen=True)
class Target:
    """What a RUN argument means.

    Attributes:
        kind: ``run`` and ``bundle`` are folders, ``local`` is portable weights, ``net`` a name.
        text: the argument as it was given.
        folder: the run or bundle folder; None for a network and for portable weights.
    """

    kind: Literal["run", "bundle", "local", "net"]
    text: str
    folder: Path | None


def resolve(text: str) -> Target:
    """Return what a RUN argument means; names of networks are not checked here.

    Raises:
        UsageError: no name.
        DataError: a path that is missing, or a folder that is neither a run nor a bundle.
    """
    if not text.strip():
        raise UsageError("the name of the run is empty; name a run folder, a bundle or a network")
    if text.startswith(LOCAL):
        return _portable_target(text)
    path = expanded(text)
    if path.is_dir():
        if (path / "bundle.json").is_file():
            return Target("bundle", text, path)
        if any((path / name).exists() for name in ("run.json", "bundle", "weights", "plan.json")):
            return Target("run", text, path)
        if (path / "model.safetensors").is_file() and (path / "config.json").is_file():
            raise DataError(f"{text}: is a folder of portable weights; name it {LOCAL}{text}")
        raise DataError(f"{text}: is neither a run nor a bundle (no run.json, no bundle.json)")
    if path.name == "bundle.json" and path.is_file():
        return Target("bundle", text, path.parent)
    if path.exists():
        raise DataError(f"{text}: is a file; name a run folder, a bundle folder or a network")
    if text.startswith((".", "~")) or "/" in text or "\\" in text:
        raise DataError(f"{text}: no such folder")
    return Target("net", text, None)


def _portable_target(text: str) -> Target:
    if not _local(text).is_dir():
        raise DataError(f"{text}: no such folder; save_portable and `fleetfoot fit` write one")
    return Target("local", text, None)


def net_name(target: Target) -> str:
    """Return the name of the network that is meant by name or by its portable weights."""
    if target.kind != "local":
        return target.text
    from fleetfoot.nets.portable import read_portable

    return read_portable(_local(target.text)).created_as.name


def _local(text: str) -> Path:
    return expanded(text.removeprefix(LOCAL))


def bundle_of(text: str) -> Path:
    """Return the bundle folder of a RUN argument; imports no torch.

    Raises:
        DataError: the folder is missing, no bundle, or a run that has none yet.
    """
    target = resolve(text)
    if target.kind == "local":
        raise DataError(f"{text}: is no bundle; `fleetfoot deploy {shlex.quote(text)}` writes one")
    if target.folder is None:
        raise DataError(
            f"{text}: no such folder; `fleetfoot fit` or `fleetfoot deploy` writes a bundle"
        )
    if target.kind == "bundle":
        return target.folder
    folder = target.folder / "bundle"
    if not (folder / "bundle.json").is_file():
        command = f"fleetfoot deploy {shlex.quote(text)}"
        raise DataError(f"{text}: has no bundle yet; `{command}` writes it")
    return folder


def check_net(name: str, *, or_folder: bool = False) -> None:
    """Refuse a name that is no network, with the nearest names; it may be meant ``or_folder``.

    Raises:
        UsageError: no such network.
        MissingError: torch is not installed.
    """
    require("torch", extra="train")
    from fleetfoot.nets.catalog import entry

    try:
        entry(name)
    except UsageError as error:
        if not or_folder:
            raise
        raise UsageError(f"{error}; and there is no folder {name!r}") from None


def data_name(data: str) -> str:
    """Return a short name for a data set, fit for a folder.

    >>> [data_name(text) for text in ("digits", "cifar10:/data/cifar10", "my photos/", "a/b.csv")]
    ['digits', 'cifar10', 'my_photos', 'b']
    """
    kind, colon, _ = data.partition(":")
    if colon and kind.isalnum() and len(kind) > 1 and not Path(data).exists():
        return kind
    path = expanded(data)
    path = path if path.name not in ("", ".", "..") else path.resolve()
    name = path.name if path.is_dir() else path.stem
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "run"


def new_run_folder(data: str, *, out: str | Path | None = None) -> Path:
    """Make and return an empty run folder: ``runs/NAME``, ``runs/NAME2``, ... or ``out``.

    Raises:
        UsageError: ``out`` exists and is not empty.
        DataError: it cannot be written.
    """
    check_run_folder(out)
    if out is not None:
        folder = expanded(out)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    RUNS.mkdir(exist_ok=True)
    name, number = data_name(data), 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def check_run_folder(out: str | Path | None) -> None:
    """Refuse where `new_run_folder` could make no folder, before the work.

    Raises:
        UsageError: ``out`` exists and is not empty.
        DataError: it cannot be written.
        OSError: the disk is full.
    """
    folder = RUNS if out is None else expanded(out)
    if out is not None and not is_vacant(folder, but=LOCK):
        raise UsageError(f"--out {out}: exists; name another folder or remove it first")
    check_out(folder)


@contextmanager
def alone_on(run: Path) -> Generator[None]:
    """Hold a run folder while it is written to.

    Raises:
        UsageError: another process holds it.
    """
    with locked(run / LOCK) as mine:
        if not mine:
            raise UsageError(f"{run}: another fleetfoot works on this run; wait for its end")
        yield


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network with everything that a RUN argument says about it.

    Attributes:
        net: in evaluation mode, on the CPU.
        name: of the network.
        classes: names of the outputs, in order.
        aliases: other names of classes (WordNet numbers), and the class each stands for.
        preprocess: from a decoded image to its input.
        weights: ``source`` and ``licence`` of the weights; "unknown" where unknown.
    """

    net: "nn.Module"
    name: str
    classes: tuple[str, ...]
    aliases: dict[str, str]
    preprocess: Preprocess
    weights: dict[str, str]

    @property
    def untrained(self) -> bool:
        """Whether its weights are random."""
        return self.weights["source"] == UNTRAINED


def load_network(target: Target, *, weights: str = "auto", known: Known | None = None) -> Network:
    """Return the network of a run or of portable weights, or one by name.

    Args:
        target: what `resolve` returned.
        weights: for a name: ``auto`` (published weights where they are installed), ``none``, or
            the path of a weight file or of a folder of portable weights.
        known: what is known of a weight file.

    Raises:
        UsageError: unknown network, a bundle, which holds no torch weights, or a weight file of
            which nobody says how images are prepared for it.
        DataError: a run without weights, or weights that do not fit.
        MissingError: torch is not installed.
    """
    require("torch", extra="train")
    known = known or Known()
    known.check("auto" if target.kind != "net" else weights)
    if target.kind == "bundle":
        raise UsageError(f"{target.text}: is a bundle; this needs the run that it came from")
    if target.kind != "net" and weights != "auto":
        raise UsageError(f"--weights {weights}: {target.text} brings its own; leave it out")
    if target.folder is not None:
        folder = target.folder / "weights"
        if not folder.is_dir():
            raise DataError(f"{target.text}: has no weights/ yet; the run did not finish")
        return _portable(folder)
    if target.kind == "local":
        return _portable(_local(target.text))
    check_net(target.text, or_folder=True)
    if weights not in ("auto", "none") and Path(weights).is_dir():
        return _portable(Path(weights), expected=target.text)
    return _named(target.text, weights, known)


def _portable(folder: Path, *, expected: str | None = None) -> Network:
    from fleetfoot.nets.create import create
    from fleetfoot.nets.portable import read_portable

    saved = read_portable(folder)
    name = saved.created_as.name
    if expected is not None and name != expected:
        raise DataError(f"{folder}: holds weights of {name}, not of {expected}")
    count = saved.created_as.num_classes
    channels = saved.created_as.in_chans
    return Network(
        net=create(f"local:{folder}").eval(),
        name=name,
        classes=saved.classes or tuple(str(number) for number in range(count)),
        aliases=dict(saved.info.get("aliases") or {}),
        preprocess=Preprocess.from_json(saved.preprocess)
        if saved.preprocess
        else plain_preprocess(224, channels),
        weights={
            "source": str(saved.info.get("source", folder)),
            "licence": str(saved.info.get("licence", "unknown")),
        },
    )


def _named(name: str, weights: str, known: Known) -> Network:
    from fleetfoot.nets.catalog import entry
    from fleetfoot.nets.create import create
    from fleetfoot.nets.weights import load_weights, pretrained

    facts, info = entry(name), pretrained(name)
    names, contract = known.names, known.contract
    published = info is not None and info.path is not None and Path(weights) == info.path
    if weights not in ("auto", "none") and contract is None and not published:
        raise UsageError(
            f"--weights {weights}: does not say how images are prepared for it; say it with "
            f"--preprocess, as in --preprocess {TYPICAL}"
        )
    preprocess = plain_preprocess(facts.input[-1], facts.input[0])
    if contract is not None or info is not None:
        preprocess = Preprocess.from_json(contract or (info.preprocess if info else {}))
    count = facts.classes if names is None else len(names)
    net = create(name, num_classes=count, in_chans=preprocess.channels)
    source = {"source": UNTRAINED, "licence": "unknown"}
    if weights == "auto" and info is not None and info.path is not None:
        load_weights(net, name)
        source = {"source": info.source, "licence": info.licence}
    elif weights not in ("auto", "none"):
        source = _load_own(net, weights)
    classes, aliases = tuple(str(number) for number in range(count)), dict[str, str]()
    if names is not None:
        classes = names
    elif info is not None:
        classes, aliases = unique_names(info.classes)
    return Network(
        net=net.eval(),
        name=name,
        classes=classes,
        aliases=aliases,
        preprocess=preprocess,
        weights=source,
    )


def _load_own(net: "nn.Module", weights: str) -> dict[str, str]:
    """Load a weight file whole: what stays new would answer at random."""
    from fleetfoot.nets.weights import load_weights

    report = load_weights(net, weights)
    if report.missing:
        raise DataError(
            f"--weights {weights}: has no {report.missing[0]} of this shape; where its classes "
            "are others than the published ones, name them with --classes"
        )
    return {"source": report.source, "licence": report.licence}


def plain_preprocess(size: int, channels: int) -> Preprocess:
    """Return the preprocessing of a network that nobody has trained: -1 to 1, centre square."""
    grey = (127.5,) * channels
    return Preprocess(size, 0.875, "bicubic", grey, grey, channels)


def unique_names(
    classes: Iterable[tuple[str, str]],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return unique class names, and the class that each identifier stands for.

    Args:
        classes: pairs of an identifier, which is unique, and a name, which may not be.

    >>> unique_names([("n1", "crane"), ("n2", "crane"), ("n3", "tench")])[0]
    ('crane (n1)', 'crane (n2)', 'tench')
    """
    pairs = list(classes)
    often = Counter(name for _, name in pairs)
    names = tuple(f"{name} ({key})" if often[name] > 1 else name for key, name in pairs)
    return names, {key: name for (key, _), name in zip(pairs, names)}
