"""The data of a run: `data.json`, and opening them again later, from wherever."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fleetfoot.core.errors import DataError, first_line
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.listener import Listener
from fleetfoot.core.results import to_json
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Data
from fleetfoot.jobs.requests import TOLERANCES
from fleetfoot.jobs.stored_run import read_run

SCHEMA = "fleetfoot.data/1"


def write_data(folder: Path, data: Data, *, audit: Any) -> None:
    """Write ``data.json``: class map, split manifest, audit, and a hash over all images' names."""
    facts = data.scan.facts
    splits = {
        name: {
            "images": len(split),
            "class_counts": np.bincount(split.labels, minlength=len(data.classes)),
            "samples": [[sample.key, sample.label] for sample in split.samples],
            "pixels_sha256": [
                facts[sample.key].pixels_sha256 if sample.key in facts else None
                for sample in split.samples
            ],
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
    """Open the data of a run again: with the same tolerances and splits, the same images.

    Images that were added since are left out.

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
    try:
        own = without_added(folder, data)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DataError(f"{folder / 'data.json'}: is damaged ({first_line(error)})") from error
    check_same_data(folder, own, otherwise=otherwise)
    added = sum(map(len, data.splits.values())) - sum(map(len, own.splits.values()))
    if added:
        listener.message(f"{added} images were added since the run began: they are left out")
    return own


def without_added(folder: Path, data: Data) -> Data:
    """Return the data with the splits of a run, as far as its images are there."""
    record = read_json(folder / "data.json", what="run")
    there = {s.key: s for split in data.splits.values() for s in split.samples}
    kept = {
        name: replace(data.train, name=name).holding(
            replace(there[key], label=label)
            for key, label in split["samples"]
            if key in there and data.classes[there[key].label] == record["classes"][label]
        )
        for name, split in record.get("splits", {}).items()
    }
    if not {"train", "val"} <= kept.keys():
        return data
    return replace(
        data,
        classes=tuple(record["classes"]),
        train=kept["train"],
        val=kept["val"],
        test=kept.get("test"),
        held_out=record.get("held_out", data.held_out),
    )


def check_same_data(folder: Path, data: Data, *, otherwise: str) -> None:
    """Refuse other images than a run began with.

    Raises:
        DataError: ``data`` differs from ``data.json``; the message ends with ``otherwise``.
    """
    if read_json(folder / "data.json", what="run").get("sha256") != data_hash(data):
        raise DataError(
            f"{data.spec}: is not the data that {folder} was started on (images were "
            f"removed, moved or changed); {otherwise}"
        )


def kept_data(folder: Path) -> tuple[str, dict[str, bool]]:
    """Return the data and tolerances of a run; a version before kept these in config.toml.

    Raises:
        DataError: neither file names the data.
    """
    record = read_json(folder / "run.json", what="run")
    if isinstance(record.get("data"), str) and record.keys() >= set(TOLERANCES):
        return record["data"], {name: bool(record[name]) for name in TOLERANCES}
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
