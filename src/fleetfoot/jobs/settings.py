"""Settings of a recipe: ``--set key=value``, ``--config FILE``, and the config.toml of a run.

A key is the name of a field; a field of a part is written with a dot (``augment.flip``). Values are
checked against the type of the field by pydantic. TOML has no null: ``"none"`` stands for it.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from fleetfoot.core.errors import DataError, UsageError, require
from fleetfoot.core.files import write_text
from fleetfoot.core.results import to_json

R = TypeVar("R")
NONE = "none"


def apply_settings(
    recipe: R, settings: Mapping[str, Any], *, source: str = "--set", ignore: Iterable[str] = ()
) -> R:
    """Return ``recipe`` with fields changed.

    Args:
        recipe: a frozen dataclass; its parts may be dataclasses too.
        settings: dotted key -> value; text is read as TOML where it can be.
        source: where the settings come from, for messages.
        ignore: keys of ``settings`` that are somebody else's.

    Raises:
        UsageError: unknown key (with the nearest ones) or a value of the wrong type or range.
        MissingError: pydantic is not installed.
    """
    changes: dict[str, Any] = {}
    kinds = setting_types(type(recipe))
    for key, value in settings.items():
        if key in ignore:
            continue
        if key not in kinds:
            raise UsageError(f"{source}: {key!r} is not a setting; {_nearest(key, kinds)}")
        changes[key] = _checked(key, value, kinds[key], source)
    try:
        return _replaced(recipe, changes)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{source}: {error}") from error


def read_config(path: Path) -> dict[str, Any]:
    """Return a TOML file as dotted keys and values.

    Raises:
        DataError: the file is missing, unreadable or not TOML.
    """
    try:
        return flatten(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{path}: no such settings file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: is not valid TOML ({error})") from error


def recipe_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the recipe in a flat config: table ``recipe``, or keys at the top.

    Keys of the other tables (``run.*``: net, data, size, ...) are left out.
    """
    return {
        key.removeprefix("recipe."): value
        for key, value in config.items()
        if not key.startswith("run.")
    }


def write_config(path: Path, recipe: Any, *, run: Mapping[str, Any]) -> None:
    """Write every setting after defaults; ``--config`` takes the file back.

    Args:
        path: the file, usually ``config.toml`` of a run folder.
        recipe: the recipe that is used, a dataclass.
        run: words of the command line that are no settings of the recipe (net, size, seed, ...).
    """
    tomli_w: Any = require("tomli_w", extra="train")
    tables = {"run": _without_null(to_json(run)), "recipe": _without_null(to_json(recipe))}
    write_text(
        path, "# every setting of this run; `--config` takes it back\n" + tomli_w.dumps(tables)
    )


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as dotted keys.

    >>> flatten({"lr": 0.1, "augment": {"flip": 0.5}})
    {'lr': 0.1, 'augment.flip': 0.5}
    """
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def setting_types(kind: type) -> dict[str, Any]:
    """Return dotted key -> type of every setting of a recipe class."""
    hints = get_type_hints(kind)
    types: dict[str, Any] = {}
    for field in fields(kind):
        part = hints[field.name]
        if isinstance(part, type) and is_dataclass(part):
            inner = setting_types(part)
            types |= {f"{field.name}.{key}": value for key, value in inner.items()}
        else:
            types[field.name] = part
    return types


def _checked(key: str, value: Any, kind: Any, source: str) -> Any:
    pydantic: Any = require("pydantic", extra="train")
    adapter = pydantic.TypeAdapter(kind)
    for candidate in _readings(value, kind):
        if isinstance(candidate, bool) and bool not in _members(kind):
            continue
        try:
            return adapter.validate_python(candidate)
        except pydantic.ValidationError:
            continue
    raise UsageError(f"{source}: {key}={value} is not {_allowed(kind)}")


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


def _nearest(key: str, kinds: Mapping[str, Any]) -> str:
    by_leaf = {name.rpartition(".")[2]: name for name in kinds}
    near = difflib.get_close_matches(key, kinds, n=3, cutoff=0.5)
    near += [by_leaf[leaf] for leaf in difflib.get_close_matches(key, by_leaf, n=2, cutoff=0.6)]
    names = list(dict.fromkeys(near)) or sorted(kinds)
    return f"{'nearest' if near else 'there are'}: {', '.join(names)}"


def _replaced(recipe: Any, changes: Mapping[str, Any]) -> Any:
    own = {key: value for key, value in changes.items() if "." not in key}
    for part in {key.partition(".")[0] for key in changes if "." in key}:
        inner = {
            key.removeprefix(f"{part}."): value
            for key, value in changes.items()
            if key.startswith(f"{part}.")
        }
        own[part] = _replaced(getattr(recipe, part), inner)
    if not own:
        return recipe
    # a recipe knows that epochs and minutes exclude each other
    change = getattr(recipe, "with_changes", None)
    return change(**own) if change is not None else replace(recipe, **own)


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return NONE if value is None else value
