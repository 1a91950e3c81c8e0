"""The files of a run folder, read with tolerance: a missing or damaged part becomes a reason.

Files    run.json, config.toml, data.json, plan.json, metrics.jsonl, evaluation.json, head.json
         (of runs with a head phase), bundle/bundle.json, bundle/preprocess.json; a bundle alone
         is read as a run of its own
"""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json
from fleetfoot.core.results import Json
from fleetfoot.deploy.read_record import as_of_today

OF_RUN, OF_BUNDLE = ("run", "data", "plan", "head", "evaluation"), ("bundle", "preprocess")
OF_SOME_RUNS = ("head",)  # parts that nobody misses


@dataclass(frozen=True)
class RunFiles:
    """What a run folder holds; an absent part is an empty mapping and has a line in ``missing``."""

    name: str
    folder: Path = Path()
    run: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    data: Json = field(default_factory=dict)
    plan: Json = field(default_factory=dict)
    head: Json = field(default_factory=dict)
    evaluation: Json = field(default_factory=dict)
    bundle: Json = field(default_factory=dict)
    preprocess: Json = field(default_factory=dict)
    metrics: tuple[Json, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def bundle_folder(self) -> Path:
        """Where the bundle is: the folder itself, or inside the run."""
        return bundle_folder(self.folder)


def bundle_folder(folder: Path) -> Path:
    """Return the folder of the bundle of a run folder; a bundle's folder is its own."""
    return folder if (folder / "bundle.json").is_file() else folder / "bundle"


def read_run(folder: Path) -> RunFiles:
    """Return the parts of a run folder, or of a bundle folder.

    Raises:
        DataError: ``folder`` is not there, or holds neither run.json nor bundle.json.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such run folder")
    bundle = bundle_folder(folder)
    if not (folder / "run.json").is_file() and not (bundle / "bundle.json").is_file():
        raise DataError(f"{folder}: is no run folder (it has no run.json) and no bundle")
    missing: dict[str, str] = {}
    parts = {part: _optional(folder / f"{part}.json", part, missing) for part in OF_RUN}
    parts |= {part: _optional(bundle / f"{part}.json", part, missing) for part in OF_BUNDLE}
    return RunFiles(
        name=folder.resolve().name,
        folder=folder,
        config=_config(folder / "config.toml", missing),
        metrics=_metrics(folder / "metrics.jsonl", missing),
        missing=missing,
        **parts,
    )


def _optional(path: Path, part: str, missing: dict[str, str]) -> Json:
    if not path.exists():
        if part not in OF_SOME_RUNS:
            missing[part] = f"{path.name} is not there"
        return {}
    try:
        found = read_json(path, what=part)
        return as_of_today(found) if part == "bundle" else found
    except DataError as error:
        missing[part] = f"{path.name} {str(error).removeprefix(f'{path}: ')}"
        return {}


def _config(path: Path, missing: dict[str, str]) -> Json:
    try:
        return tomllib.loads(path.read_text("utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        missing["config"] = f"{path.name} is not there"
    except (OSError, ValueError) as error:
        missing["config"] = f"{path.name} cannot be read ({error})"
    return {}


def _metrics(path: Path, missing: dict[str, str]) -> tuple[Json, ...]:
    """Return the lines of metrics.jsonl; a last line cut short by a kill is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        missing["metrics"] = f"{path.name} is not there: nothing was trained"
        return ()
    except (OSError, ValueError) as error:
        missing["metrics"] = f"{path.name} cannot be read ({error})"
        return ()
    found: list[Json] = []
    bad = 0
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            bad += 1
    if bad:
        missing["metrics"] = f"{path.name} has {bad} lines that are not JSON; they were left out"
    return tuple(entry for entry in found if isinstance(entry, dict))
