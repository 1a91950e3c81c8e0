"""Records made of parts: the paths of their settings, and copies with some settings changed.

A part is a field that holds another record. Where it may be one of several, each has a field `kind`
with its word. A setting is named by its path (``optimizer.lr``); names may be left out while one
setting alone fits (``lr``), and a part's name stands for its kind (``optimizer``). Another kind
keeps what both have.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_type_hints

from fleetfoot.core.arguments import nearest
from fleetfoot.core.errors import UsageError
from fleetfoot.core.ranges import members

R = TypeVar("R")
KIND = "kind"
Convert = Callable[[str, Any, Any], Any]  # path, value and type of a setting -> the value to take


def changed(
    record: R,
    changes: Mapping[str, Any],
    *,
    convert: Convert = lambda path, value, kind: value,
) -> R:
    """Return a copy with some settings changed, all at once.

    A kind may be chosen before or after its settings; it drops what was given for another before.

    Args:
        record: a frozen dataclass, possibly with parts.
        changes: path of a setting or part -> its value; a word for a part chooses its kind.
        convert: makes a value of what is given, such as text.

    Raises:
        UsageError: no such setting, with the nearest ones, or a value out of its range.
    """
    known = _types(record, every_kind=True)
    values: dict[str, Any] = {}
    for key, value in changes.items():
        path = _path_of(key, known)
        if path is None:
            raise UsageError(f"{key!r} is not a setting; {_nearest(key, _types(record))}")
        if _is_part(known[path]) and isinstance(value, str):
            path = f"{path}.{KIND}"
        part = path.removesuffix(f".{KIND}")
        if _is_part(known[part]) and (path == part or _kinds(known[part])):
            record = _with_part(record, part, value)
            kept = _types(record)
            values = {p: v for p, v in values.items() if p in kept or not p.startswith(part)}
        else:
            values[path] = value
    types = _types(record)
    foreign = [path for path in values if path not in types]
    if foreign:
        part, _, name = foreign[0].rpartition(".")
        kinds = [word for word, kind in _kinds(types[part]).items() if name in _hints(kind)]
        raise UsageError(f"{name!r} is a setting of {part}={' or '.join(kinds)} alone")
    return _replaced(record, {p: convert(p, v, types[p]) for p, v in values.items()})


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables, such as a record as JSON, as paths and values.

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


def _types(record: Any, *, every_kind: bool = False, prefix: str = "") -> dict[str, Any]:
    """Return path -> type of every setting and part; ``every_kind``: of all kinds of a part."""
    types: dict[str, Any] = {}
    for name, kind in _hints(type(record)).items():
        types[prefix + name] = kind
        if _is_part(kind):
            part = getattr(record, name)
            types |= _types(part, every_kind=every_kind, prefix=f"{prefix}{name}.")
            for other in members(kind) if every_kind else ():
                types |= {f"{prefix}{name}.{field}": each for field, each in _hints(other).items()}
    return types


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_part(kind: Any) -> bool:
    return all(is_dataclass(member) for member in members(kind))


def _kinds(kind: Any) -> dict[str, Any]:
    """Return the records that a part may be, by their word; {} if it is always the same one."""
    parts = members(kind)
    return {part.__dataclass_fields__[KIND].default: part for part in parts if len(parts) > 1}


def _path_of(key: str, paths: Iterable[str]) -> str | None:
    """Return the one path that a key names; None if it names none.

    Raises:
        UsageError: it names several.
    """
    known = list(paths)
    found = [key] if key in known else [path for path in known if _names(key, path)]
    if len(found) > 1:
        raise UsageError(f"{key!r} may be {' or '.join(found)}: write which")
    return found[0] if found else None


def _names(key: str, path: str) -> bool:
    """Return whether a key is a path with names left out, or with "_" for a dot.

    >>> _names("augment.mixup", "augment.mix.mixup"), _names("mix", "augment.mix.mixup")
    (True, False)
    >>> _names("head_steps", "head.steps")
    True
    """
    rest, wanted = iter(path.split(".")), key.split(".")
    inside = wanted[-1] == path.rpartition(".")[2] and all(name in rest for name in wanted)
    return inside or key == path.replace(".", "_")


def _with_part(record: Any, path: str, value: Any) -> Any:
    """Return the record with another part, or with a part of the kind that a word says."""
    name, _, rest = path.partition(".")
    part = getattr(record, name)
    if rest:
        return _replaced(record, {name: _with_part(part, rest, value)})
    if not isinstance(value, str):
        return _replaced(record, {name: value})
    kinds = _kinds(_hints(type(record))[name])
    if value not in kinds:
        raise UsageError(f"recipe: {name} = {value!r} is not one of {', '.join(kinds)}")
    new = kinds[value]
    shared = {f.name for f in fields(new) if f.init} & {f.name for f in fields(part)}
    return _replaced(record, {name: new(**{field: getattr(part, field) for field in shared})})


def _replaced(record: Any, values: Mapping[str, Any]) -> Any:
    """Return the record with values put in at full paths, each part made once."""
    own = {path: value for path, value in values.items() if "." not in path}
    for part in {path.partition(".")[0] for path in values if "." in path}:
        inner = {
            p.removeprefix(f"{part}."): v for p, v in values.items() if p.startswith(f"{part}.")
        }
        own[part] = _replaced(own.get(part, getattr(record, part)), inner)
    # a record may know more of its fields, as that epochs and minutes exclude each other
    change = getattr(record, "with_fields", None)
    return change(**own) if change is not None else replace(record, **own)


def _nearest(key: str, types: Mapping[str, Any]) -> str:
    paths = [path for path, kind in types.items() if not _is_part(kind)]
    by_leaf = {path.rpartition(".")[2]: path for path in paths}
    near = nearest(key, [*paths, *by_leaf], otherwise="", most=4)
    if not near:
        return f"there are: {', '.join(sorted(paths))}"
    found = near.removeprefix("nearest: ").split(", ")
    return f"nearest: {', '.join(dict.fromkeys(by_leaf.get(word, word) for word in found))}"
