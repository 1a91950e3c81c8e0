"""The data of a run: `data.json`, and opening them again later, from wherever."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.listener import Listener
from fleetfoot.core.results import to_json
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Data
from fleetfoot.jobs.stored_run import read_run

SCHEMA = "fleetfoot.data/1"
TOLERANCES = {"skip_damaged", "allow_class_mismatch"}  # keys of run.json


def write_data(folder: Path, data: Data, *, audit: Any) -> None:
    """Write ``data.json``: class map, split manifest, audit, and a hash over all images' names."""
    splits = {
        name: {
            "images": len(split),
            "class_counts": np.bincount(split.labels, minlength=len(data.classes)),
            "samples": [[sample.key, sample.label] for sample in split.samples],
        }
        for name, split in data.splits.items()
    }
    record = {
        "spec": data.spec,
        "name": data.name,
        "classes": data.classes,
        "held_out": data.held_out,
        "notes": data.notes,
        "sha256": data_hash(data),
        "splits": splits,
        "audit": audit,
    }
    write_json(folder / "data.json", to_json(record, schema=SCHEMA))


def open_run_data(folder: Path, *, listener: Listener, otherwise: str) -> Data:
    """Open the data of a run again: with the same tolerances, and still the same images.

    Args:
        folder: the run folder.
        listener: hears what is read.
        otherwise: what to do if the data have changed or gone.

    Raises:
        DataError: they have, or the run folder does not name them.
    """
    spec, tolerances = kept_data(folder)
    listener.stage(f"data: opening {spec}")
    try:
        data = open_data(spec, **tolerances)
    except DataError as error:
        raise DataError(f"the data of {folder} cannot be opened: {error}; {otherwise}") from error
    check_same_data(folder, data, otherwise=otherwise)
    return data


def check_same_data(folder: Path, data: Data, *, otherwise: str) -> None:
    """Refuse other images than a run began with.

    Raises:
        DataError: ``data`` differs from ``data.json``; the message ends with ``otherwise``.
    """
    if read_json(folder / "data.json", what="run").get("sha256") != data_hash(data):
        raise DataError(
            f"{data.spec}: is not the data that {folder} was started on (images were added, "
            f"removed, moved or changed); {otherwise}"
        )


def kept_data(folder: Path) -> tuple[str, dict[str, bool]]:
    """Return the data and tolerances of a run; a version before kept these in config.toml."""
    record = read_json(folder / "run.json", what="run")
    if record.keys() >= TOLERANCES:
        return record["data"], {name: record[name] for name in TOLERANCES}
    request, _ = read_run(folder)
    if request.data is None:
        raise DataError(f"{folder}: neither run.json nor config.toml names its data")
    return request.data, request.tolerances


def data_hash(data: Data) -> str:
    """Return a hash of class map, splits, and the pixels where they were looked at."""
    facts = {key: fact.pixels_sha256 for key, fact in data.scan.facts.items()}
    manifest = {
        name: [(sample.key, sample.label, facts.get(sample.key)) for sample in split.samples]
        for name, split in data.splits.items()
    }
    text = json.dumps([data.classes, manifest])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
