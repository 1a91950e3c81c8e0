"""Frozen records, and how they become JSON."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Json = dict[str, Any]  # an object, as `to_json` and `read_json` give it
FLAT = "flat"  # in the metadata of a field: the keys of this part are among those of the whole


@dataclass(frozen=True)
class Skip:
    """A site that a pass declined, and why."""

    site: str
    reason: str


@dataclass(frozen=True)
class PassResult:
    """What a pass returns: the new model, the sites it changed, the sites it left and why."""

    model: "nn.Module"
    changed: tuple[str, ...]
    skipped: tuple[Skip, ...]


def to_json(record: Any, *, schema: str | None = None) -> Any:
    """Return plain JSON values for a record, mapping or sequence.

    NaN and infinities become ``None`` (unknown), NumPy scalars Python numbers, paths strings. A
    record with a method ``as_json`` says itself what it is in JSON.

    Args:
        record: dataclass, mapping, sequence, or scalar.
        schema: name and version put first in the resulting object, such as "fleetfoot.measure/1".
    """
    plain = _plain(record)
    return plain if schema is None else {"schema": schema, **plain}


def _merged(parts: Iterable[tuple[Any, Field[Any]]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for plain, field in parts:
        merged |= plain if field.metadata.get(FLAT) else {field.name: plain}
    return merged


def _plain(value: Any) -> Any:
    own = getattr(type(value), "as_json", None)  # a record of records that is flat in JSON
    if own is not None:
        return _plain(own(value))
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return _merged((_plain(getattr(value, name)), field) for name, field in fields.items())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, without importing NumPy
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
