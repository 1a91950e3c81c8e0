"""Names of classes and groups: what a cell of a table says, and which names are one.

cells      blanks around a name do not count; bytes are UTF-8; a whole number is written without
           ".0"; an empty cell, None and NaN hold no name
one name   the two Unicode forms of a text ("é" as one character, or as "e" and an accent), with or
           without blanks around it
alike      names that differ in case, in blanks, or in what Unicode calls compatible: they stay
           apart, with a remark
"""

import ast
import contextlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

SHOWN = 5
INVISIBLE = "\ufeff\u200b\u2060"  # byte order mark, zero-width space, word joiner
NOT_A_NUMBER = {"", "nan", "<na>", "nat", "#n/a"}
NO_NAME = NOT_A_NUMBER | {"none", "null", "na", "n/a"}  # the last four may be classes

_BYTES = re.compile(r"b'[^']*'|b\"[^\"]*\"")
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def class_name(value: Any, classes: Sequence[str] | None = None) -> str:
    """Return the class that a cell names.

    Args:
        value: what the cell holds.
        classes: the names of whole numbers, where there are any.

    Raises:
        ValueError: it names none; the message says why.
    """
    name = _text(value)
    if name is None:
        kind = "list" if isinstance(value, list) else "table"
        raise ValueError(f"label is a {kind}; an image has one class, a name or a whole number")
    if name.casefold() in NOT_A_NUMBER:
        raise ValueError("has no label; add it or remove the row")
    if isinstance(value, float | Decimal) and not _WHOLE.fullmatch(name):
        raise ValueError(f"label is {name}; a class is a name or a whole number")
    if classes is None or isinstance(value, str | bytes):
        return name
    number = int(value)
    if not 0 <= number < len(classes):
        raise ValueError(f"label {number} is none of the {len(classes)} named classes")
    return classes[number]


def group_name(value: Any) -> str | None:
    """Return the group that a cell names, or None where it names none.

    >>> group_name(" p1 "), group_name(2.0), group_name(float("nan")), group_name("NA")
    ('p1', '2', None, None)
    """
    name = _text(value)
    if name is None:
        return str(value)
    return None if name.casefold() in NO_NAME else name


def without_points(names: Sequence[Any]) -> Sequence[Any]:
    """Return numbers that a table wrote as "0.0", "1.0", ... as whole ones, if all are numbers.

    >>> without_points(["0.0", "1.0"]), without_points(["1.0", "1.5"])
    (['0', '1'], ['1.0', '1.5'])
    """
    texts = [name.strip() for name in names if isinstance(name, str) and name.strip()]
    if not any("." in text for text in texts) or not all(map(_WHOLE.fullmatch, texts)):
        return names
    return [n.partition(".")[0] if isinstance(n, str) else n for n in names]


def one_form(name: str) -> str:
    """Return the form in which two names are compared.

    >>> one_form("cafe\u0301 ") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", _bare(name))


def alike(names: Iterable[str]) -> list[list[str]]:
    """Return names that differ only in case, blanks or Unicode form, in groups.

    >>> alike(["cat", "dog", "Cat"])
    [['Cat', 'cat']]
    """
    found: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        found.setdefault(_folded(name), []).append(name)
    return [group for group in found.values() if len(group) > 1]


def remarks(classes: Iterable[str]) -> tuple[str, ...]:
    """Return what is odd about class names: some are alike, some read like empty cells."""
    names = sorted(set(classes))
    found = [
        f"classes {' and '.join(map(repr, group))} differ only in case, blanks or Unicode form: "
        "are they one class?"
        for group in alike(names)
    ]
    found += [
        f"class {name!r} reads like an empty cell: is it a class?"
        for name in names
        if name.casefold() in NO_NAME
    ]
    more = len(found) - SHOWN
    return (*found[:SHOWN], *([f"and {more} more such classes"] if more > 0 else ()))


def _text(value: Any) -> str | None:
    """Return what a cell says, "" if nothing, None if it holds more than one value."""
    if value is None:
        return ""
    if isinstance(value, list | tuple | dict):
        return None
    if isinstance(value, str) and _BYTES.fullmatch(value):  # how pandas writes bytes into CSV
        with contextlib.suppress(SyntaxError):  # it only looks like it
            value = ast.literal_eval(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise ValueError("holds bytes that are no UTF-8; write the name as text") from None
    if isinstance(value, float | Decimal) and value == value and value % 1 == 0:
        value = int(value)
    name = _bare(str(value))
    if not name.isprintable() and any("\ud800" <= c <= "\udfff" for c in name):
        raise ValueError("holds half of a character; write the name again")
    return name


def _bare(name: str) -> str:
    return name.strip().strip(INVISIBLE).strip()


def _folded(name: str) -> str:
    seen = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in seen if not c.isspace() and c not in f"{INVISIBLE}_")
