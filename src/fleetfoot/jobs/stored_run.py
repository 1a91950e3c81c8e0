"""`config.toml` of a run folder: the decided request (table `run`) and its recipe.

``--config`` reads the same file, written by a run or by hand, and fills in what was not given.
"""

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetfoot.core.errors import DataError
from fleetfoot.jobs.requests import FitRequest
from fleetfoot.jobs.settings import (
    apply_settings,
    read_config,
    recipe_settings,
    write_config,
)

if TYPE_CHECKING:
    from fleetfoot.train.recipe import Recipe

NAME = "config.toml"
RUN = "run."
AUTO = "auto"
STORED = (
    *("data", "net", "size", "weights", "device", "threads", "budget_ms", "max_drop", "recipe"),
    "no_golden",
)
NOT_STORED = {"out", "resume", "config", "settings"}


def filled_in(request: FitRequest) -> FitRequest:
    """Return a request with what its ``--config`` says about words that were not given.

    Raises:
        DataError: there is no such file, or it is not TOML.
        UsageError: a setting of the file that is unknown, or a value of the wrong type or range.
    """
    if request.config is not None:
        request = _with_config(request, Path(request.config))
    return replace(request, weights=request.weights or AUTO, device=request.device or AUTO)


def _with_config(request: FitRequest, path: Path) -> FitRequest:
    from fleetfoot.recipes.catalog import recipe_named

    stored = read_config(path)
    told = _request(stored, path)
    said = recipe_settings(stored)
    name = request.recipe or told.recipe or "scratch"
    apply_settings(recipe_named(name), said, source=str(path))  # a fault is the file's, not --set's
    said = {key: value for key, value in said.items() if key not in request.changes}
    settings = {**said, **request.changes}  # in their order: the later kind of a part counts
    return replace(told, **{**request.given(), "settings": settings})


def write_run(folder: Path, decided: FitRequest, recipe: "Recipe") -> None:
    """Write all that decides a run; `read_run` takes it back."""
    run = {name: getattr(decided, name) for name in STORED} | decided.tolerances
    write_config(folder / NAME, recipe, run=run)


def read_run(folder: Path) -> "tuple[FitRequest, Recipe]":
    """Return the decided request and the recipe of a run folder.

    Raises:
        DataError: it is no run folder.
        UsageError: a setting that does not exist, or a value of the wrong type.
    """
    from fleetfoot.train.recipe import Recipe

    path = folder / NAME
    if not path.exists():
        raise DataError(f"{folder}: is no run folder (no {NAME}); --resume takes one of `fit`")
    stored = read_config(path)
    recipe = apply_settings(Recipe(), recipe_settings(stored), source=str(path))
    return _request(stored, path), recipe


def _request(stored: dict[str, Any], path: Path) -> FitRequest:
    """Return table `run` as a request; what it does not know is left out."""
    table = {key.removeprefix(RUN): v for key, v in stored.items() if key.startswith(RUN)}
    if "budget_ms" in table:
        table.setdefault("budget", table.pop("budget_ms"))
    known = {field.name for field in fields(FitRequest)} - NOT_STORED
    words = {name: value for name, value in table.items() if name in known}
    return apply_settings(FitRequest(), words, source=f"{path}, table run")
