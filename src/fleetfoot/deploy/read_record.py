"""Read ``bundle.json``: its format, and that every file is there and unaltered.

Format 1 called the baselines yardsticks; formats 1 and 2 knew no temperature and no figures of use.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json, sha256_of

FORMATS = (1, 2, 3)
FORMAT = FORMATS[-1]
SCHEMA = f"fleetfoot.bundle/{FORMAT}"
PARTS = ("files", "device", "graph", "chosen", "fallback")
KINDS = {"classes": list, **dict.fromkeys(PARTS, dict)}
FORM_KINDS = {"engine": str, "precision": str, "layout": str, "threads": int, "file": str}


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of ``bundle.json``, all it names checked.

    Raises:
        DataError: a file is missing or altered, or the format is unknown.
    """
    record = read_json(folder / "bundle.json", what="bundle")
    _check_format(folder, record)
    _check_temperature(folder, record)
    _check_files(folder, record)
    return as_of_today(record)


def as_of_today(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a ``bundle.json`` with the keys of today's format.

    >>> as_of_today({"format": 1, "yardsticks": []})
    {'calibration': None, 'use': None, 'format': 1, 'baselines': []}
    """
    named = {"baselines" if key == "yardsticks" else key: value for key, value in record.items()}
    return {"calibration": None, "use": None, **named}


def _check_format(folder: Path, record: Mapping[str, Any]) -> None:
    number = record.get("format")
    if number not in FORMATS or record.get("schema") != f"fleetfoot.bundle/{number}":
        raise DataError(
            f"{folder}: bundle format {number!r} is not known; this version reads formats "
            f"{', '.join(map(str, FORMATS))}"
        )
    missing = _lacking(record, KINDS)
    if missing:
        raise DataError(f"{folder}: bundle.json lacks {missing}; it is damaged")
    for name in ("chosen", "fallback"):
        missing = _lacking(record[name], FORM_KINDS)
        if missing:
            raise DataError(
                f"{folder}: the {name} form in bundle.json lacks {missing}; it is damaged"
            )


def _check_temperature(folder: Path, record: Mapping[str, Any]) -> None:
    calibration = record.get("calibration") or {"temperature": 1.0}
    value = calibration.get("temperature") if isinstance(calibration, dict) else None
    if not (isinstance(value, float) and math.isfinite(value) and value > 0):
        raise DataError(f"{folder}: the temperature {value!r} in bundle.json is no positive number")


def _lacking(values: Mapping[str, Any], kinds: Mapping[str, type]) -> str:
    """Return the keys that are absent, empty or of another type."""
    return ", ".join(
        key for key, kind in kinds.items() if type(values.get(key)) is not kind or not values[key]
    )


def _check_files(folder: Path, record: Mapping[str, Any]) -> None:
    for name, expected in record["files"].items():
        file = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"{folder}: bundle.json names a file outside the bundle: {name}")
        try:
            actual = sha256_of(file)
        except OSError as error:
            raise DataError(
                f"{file}: the bundle's file cannot be read ({error.strerror}); deploy again"
            ) from error
        if actual != expected:
            raise DataError(f"{file}: was altered since the bundle was written; deploy again")
    for form in (record["chosen"], record["fallback"]):
        if form["file"] not in record["files"]:  # the engine may open nothing that is not checked
            raise DataError(f"{folder / form['file']}: the bundle has no such file")
