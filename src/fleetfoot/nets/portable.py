"""Portable weights: a folder with model.safetensors, config.json and preprocess.json.

`fleetfoot.create("local:FOLDER")` reads it back; no code is executed in doing so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import new_folder, read_json, system_error, write_json
from fleetfoot.core.results import to_json
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.nets import catalog
from fleetfoot.nets.protocol import Classifier, CreatedAs
from fleetfoot.nets.weights import load_weights

SCHEMA = "fleetfoot.weights/1"


@dataclass(frozen=True)
class Portable:
    """What a folder of portable weights says besides the tensors."""

    created_as: CreatedAs  # the arguments of `create` that rebuild the network
    classes: tuple[str, ...]  # names of the outputs, in order; () if none were given
    preprocess: dict[str, Any] | None  # fields of `data.preprocess.Preprocess`, or None
    info: dict[str, Any]  # anything the writer added: source, licence, accuracy


def save_portable(
    folder: str | Path,
    net: nn.Module,
    *,
    classes: Sequence[str] = (),
    preprocess: Preprocess | Mapping[str, Any] | None = None,
    info: dict[str, Any] | None = None,
) -> None:
    """Write ``net`` to ``folder``, whole or not at all; an existing folder is replaced.

    Args:
        folder: where to.
        net: a network of `fleetfoot.create` (it carries ``created_as``).
        classes: names of the outputs, in order.
        preprocess: from a decoded image to its input; None if it is not known.
        info: further facts for config.json: source and licence of the first weights, accuracy.

    Raises:
        UsageError: a network that `create` did not make, such as a scaled one.
        OSError: the disk is full, or similar; nothing half-written is left.
    """
    if isinstance(net, Classifier) and net.scaled_from is not None:
        raise UsageError(
            f"a network scaled from {net.scaled_from} has no name that `create` could rebuild: "
            "keep its state_dict() and the factors"
        )
    made = net.created_as if isinstance(net, Classifier) else None
    if made is None:
        raise UsageError(f"{type(net).__name__}: only whole networks of fleetfoot.create are saved")
    config = {
        "net": made.name,
        "num_classes": made.num_classes,
        "in_chans": made.in_chans,
        "options": made.options,
        "classes": list(classes),
        "info": info or {},
    }
    with new_folder(Path(folder)) as temporary:
        tensors = {
            key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()
        }
        try:
            save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})
        except SafetensorError as error:
            raise system_error(error) from error
        write_json(temporary / "config.json", to_json(config, schema=SCHEMA))
        if preprocess is not None:
            write_json(temporary / "preprocess.json", to_json(preprocess))


def read_portable(folder: Path) -> Portable:
    """Return what `save_portable` wrote beside the tensors.

    Raises:
        DataError: a file is missing or damaged, or of a newer format.
    """
    config = read_json(folder / "config.json", what="weight folder")
    if config.get("schema") != SCHEMA:
        raise DataError(f"{folder}: has the format {config.get('schema')!r}, this reads {SCHEMA!r}")
    path = folder / "preprocess.json"
    try:
        made = CreatedAs(
            config["net"], config["num_classes"], config["in_chans"], dict(config["options"])
        )
        classes = tuple(config["classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: its config.json is damaged ({error!r})") from error
    if [type(made.name), type(made.num_classes), type(made.in_chans)] != [str, int, int]:
        raise DataError(f"{folder}: its config.json is damaged (a value is of the wrong kind)")
    preprocess = read_json(path, what="weight folder") if path.exists() else None
    return Portable(made, classes, preprocess, config.get("info") or {})


def create_from_folder(
    folder: Path, *, num_classes: int | None = None, in_chans: int | None = None, **options: Any
) -> Classifier:
    """Return the network of a folder with its weights; arguments override what was saved.

    Raises:
        DataError: the folder cannot be read, or its files do not belong together.
    """
    saved = read_portable(folder).created_as
    try:
        net = catalog.build(
            saved.name,
            num_classes=saved.num_classes if num_classes is None else num_classes,
            in_chans=saved.in_chans if in_chans is None else in_chans,
            options={**saved.options, **options},
        )
    except (UsageError, TypeError, ValueError) as error:
        if num_classes is not None or in_chans is not None or options:
            raise
        raise DataError(f"{folder}: its config.json names no network ({error})") from error
    report = load_weights(net, folder)
    if num_classes is None and report.missing:
        raise DataError(f"{folder}: {report.missing[0]} does not fit what its config.json says")
    return net
