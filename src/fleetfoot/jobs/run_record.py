"""`run.json` and `data.json`: what was run, on what, with what, and how it ended."""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fleetfoot import __version__
from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.results import to_json
from fleetfoot.data.samples import Data
from fleetfoot.measure.device import device_profile

SCHEMA = "fleetfoot.run/1"
DATA_SCHEMA = "fleetfoot.data/1"


@dataclass(frozen=True)
class RunRecord:
    """The file ``run.json`` of a run folder; each method rewrites it whole."""

    folder: Path

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / "run.json"

    def begin(self, **facts: Any) -> None:
        """Write what is known before training: command, versions, device, ``facts``."""
        record = {
            "format": 1,
            "fleetfoot": __version__,
            "command": ["fleetfoot", *sys.argv[1:]],
            "git": _git_state(),
            "device": device_profile(),
            "started": _now(),
            "finished": None,
            "status": "running",
            "exit_code": None,
            **facts,
        }
        write_json(self.path, to_json(record, schema=SCHEMA))

    def add(self, **facts: Any) -> None:
        """Add or replace facts."""
        record = read_json(self.path, what="run")
        write_json(self.path, {**record, **to_json(facts)})

    def end(self, *, exit_code: int, status: str, **facts: Any) -> None:
        """Write how it ended."""
        self.add(exit_code=exit_code, status=status, finished=_now(), **facts)


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
    write_json(folder / "data.json", to_json(record, schema=DATA_SCHEMA))


def check_same_data(folder: Path, data: Data) -> None:
    """Refuse to resume a run on other images than it began with.

    Raises:
        DataError: ``data`` differs from ``data.json``.
    """
    before = read_json(folder / "data.json", what="run").get("sha256")
    if before != data_hash(data):
        raise DataError(
            f"{data.spec}: is not the data that {folder} was started on (images were added, "
            "removed, moved or changed); start a new run"
        )


def data_hash(data: Data) -> str:
    """Return a hash of class map, splits, and the pixels where they were looked at."""
    facts = {key: fact.pixels_sha256 for key, fact in data.scan.facts.items()}
    manifest = {
        name: [(sample.key, sample.label, facts.get(sample.key)) for sample in split.samples]
        for name, split in data.splits.items()
    }
    text = json.dumps([data.classes, manifest])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _git_state() -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout this code runs from, None outside one."""
    here = Path(__file__).parent
    try:
        commit, changes = (
            subprocess.run(
                ["git", *words], cwd=here, capture_output=True, text=True, timeout=5, check=True
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "."))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(changes)}
