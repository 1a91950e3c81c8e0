"""Settings of a recipe: ``--set key=value``, ``--config FILE``, and the config.toml of a run.

A key is the path of a setting (``optimizer.lr``), as short as it fits one alone (``lr``); a part's
name chooses its kind (``schedule=linear``). Values are checked against the type of the field by
pydantic. TOML has no null: ``"none"`` stands for it. In format 1 of a file the recipe was one flat
table, with the settings of every kind; a file without a number is read so too.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from fleetfoot.core.errors import DataError, UsageError, require
from fleetfoot.core.files import write_bytes
from fleetfoot.core.parts import changed, flatten
from fleetfoot.core.results import to_json
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.recipe import Recipe, kinds_last

R = TypeVar("R")
NONE = "none"
KEY, FORMAT = "format", 2


def apply_settings(recipe: R, settings: Mapping[str, Any], *, source: str = "--set") -> R:
    """Return ``recipe`` with settings changed.

    Args:
        recipe: a frozen dataclass; its parts may be dataclasses too.
        settings: path -> value; text is read as TOML where it can be.
        source: where the settings come from, for messages.

    Raises:
        UsageError: unknown key (with the nearest ones) or a value of the wrong type or range.
        MissingError: pydantic is not installed.
    """
    try:
        return changed(recipe, settings, convert=_checked)
    except (UsageError, ValueError, TypeError) as error:
        raise UsageError(f"{source}: {error}") from error


def read_config(path: Path) -> dict[str, Any]:
    """Return a TOML file as dotted keys and values.

    Raises:
        DataError: the file is missing, unreadable or not TOML.
    """
    try:
        return flatten(tomllib.loads(path.read_text("utf-8", errors="surrogateescape")))
    except FileNotFoundError:
        raise DataError(f"{path}: no such settings file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: is not valid TOML ({error})") from error


def recipe_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the recipe in a flat config: table ``recipe``, or keys at the top.

    Keys of the other tables (``run.*``: net, data, size, ...) are left out.

    Raises:
        DataError: the file has the format of a later version.
    """
    if config.get(KEY, 1) not in (1, FORMAT):
        raise DataError(f"settings of format {config[KEY]!r}: this version reads up to {FORMAT}")
    settings = {
        key.removeprefix("recipe."): value
        for key, value in config.items()
        if not key.startswith("run.") and key != KEY
    }
    return settings if config.get(KEY, 1) == FORMAT else kinds_last(settings)


def write_config(path: Path, recipe: Recipe, *, run: Mapping[str, Any]) -> None:
    """Write every setting after defaults; ``--config`` takes the file back.

    Args:
        path: the file, usually ``config.toml`` of a run folder.
        recipe: the recipe that is used.
        run: words of the command line that are no settings of the recipe (net, size, seed, ...).
    """
    tomli_w: Any = require("tomli_w", extra="train")
    tables = {"run": _without_null(to_json(run)), "recipe": _without_null(recipe.to_json())}
    text = tomli_w.dumps({KEY: FORMAT, **tables})
    text = f"# every setting of this run; `--config` takes it back\n{text}"
    write_bytes(path, text.encode(errors="surrogateescape"))  # a name in another encoding


def _checked(path: str, value: Any, kind: Any) -> Any:
    """Return what a value means for a setting of a type."""
    if kind == tuple[MethodWord, ...]:
        return methods(*_checked(path, value, tuple[str, ...]))
    pydantic: Any = require("pydantic", extra="train")
    adapter = pydantic.TypeAdapter(kind)
    for candidate in _readings(value, kind):
        if isinstance(candidate, bool) and bool not in _members(kind):
            continue
        try:
            return adapter.validate_python(candidate)
        except pydantic.ValidationError:
            continue
    raise UsageError(f"{path}={value} is not {_allowed(kind)}")


def _readings(value: Any, kind: Any) -> list[Any]:
    """Return what a value may mean, the likeliest first."""
    if value == NONE and NONE not in _members(kind) and NoneType in _members(kind):
        return [None]
    if not isinstance(value, str):
        return [value]
    readings: list[Any] = []
    for text in (value, f"[{value}]"):
        try:
            readings.append(tomllib.loads(f"value = {text}")["value"])
        except ValueError:
            continue
    return [*readings, value]


def _members(kind: Any) -> tuple[Any, ...]:
    """Return the types and literals that a union or literal is made of."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    arguments = get_args(kind) if get_origin(kind) not in (tuple, list, dict) else ()
    return tuple(m for a in arguments for m in _members(a)) if arguments else (kind,)


def _allowed(kind: Any) -> str:
    members = [m for m in _members(kind) if m is not NoneType]
    words = [m if isinstance(m, str) else _type_word(m) for m in members]
    if NoneType in _members(kind):
        words.append(NONE)
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _type_word(kind: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if get_origin(kind) is tuple:
        parts = ", ".join(_type_word(part) for part in get_args(kind) if part is not Ellipsis)
        return f"a list [{parts}]"
    return words.get(kind) or getattr(kind, "__name__", str(kind))


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return NONE if value is None else value
