"""Text tables, row by row: CSV with any usual separator, and JSON lines.

encoding   UTF-8, with or without a byte order mark, or UTF-16
separator  comma, semicolon, tab or bar: the one at which the first line falls apart into names, one
           of them "label"; or the one that a line "sep=;" says
no rows    blank lines, and those whose cells are all blank
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from fleetfoot.core.errors import DataError, first_line
from fleetfoot.data.columns import folded

SEPARATORS = ",;\t|"


class Record(NamedTuple):
    """One row: the line it begins in, its cells by column, what is wrong with its form."""

    line: int
    cells: dict[str, Any]
    problem: str = ""


def read_records(path: Path) -> list[Record]:
    """Return the rows of a text table; which kind, its ending says.

    Raises:
        DataError: no such file, another encoding, or nothing that can be taken apart.
    """
    with _reading(path):
        text = _text(path)
        rows = _json_rows if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows
        return list(rows(path, text))


def _csv_rows(path: Path, text: str) -> Iterator[Record]:
    said = re.match(r"sep=(.)\r?\n?", text, flags=re.IGNORECASE)
    separator = said[1] if said else _separator(text)
    body = text[said.end() :] if said else text
    lines = csv.reader(
        io.StringIO(body, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    columns: list[str] | None = None
    begin, skipped = 1, int(bool(said))
    for cells in lines:
        line, begin = begin + skipped, lines.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = folded(cells, where=str(path))
            continue
        row = dict(zip_longest(columns, cells[: len(columns)]))
        yield Record(line, row, _too_long(cells, len(columns), separator))


def _too_long(cells: Sequence[str], columns: int, separator: str) -> str:
    """Return what is wrong with a row that has cells beyond the last column."""
    if not any(cell.strip() for cell in cells[columns:]):
        return ""
    return f"has {len(cells)} cells for {columns} columns; put what holds {separator!r} into quotes"


def _separator(text: str) -> str:
    head = next((line for line in text.splitlines() if line.strip()), "")
    for separator in SEPARATORS:
        cells = next(csv.reader([head], delimiter=separator, skipinitialspace=True))
        if "label" in [cell.strip().casefold() for cell in cells]:
            return separator
    return SEPARATORS[0]


def _json_rows(path: Path, text: str) -> Iterator[Record]:
    for line, content in enumerate(text.split("\n"), start=1):  # a name may hold U+2028
        if not content.strip():
            continue
        try:
            row = json.loads(content, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, line {line}: is not JSON ({error}){_if_it_is_one_text(text)}"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {line}: is no JSON object{_if_it_is_one_text(text)}")
        columns = folded(list(row), where=f"{path}, line {line}")
        yield Record(line, dict(zip(columns, row.values())))


def _if_it_is_one_text(text: str) -> str:
    """Return what to do with a file that holds one JSON list or object over all of its lines."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return "; write one object a line: `jq -c '.[]' FILE` makes lines of a list"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"one object has a key twice: {', '.join(key for key, _ in pairs)}")
    return found


def _text(path: Path) -> str:
    raw = path.read_bytes()
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in raw[:2]:  # without a mark; the first character is a Latin one
        return raw.decode("utf-16-be" if raw[:1] == b"\0" else "utf-16-le")
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide:
            raise
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: holds a byte that is not UTF-8 (0x{raw[error.start]:02x}); "
            "save the table as UTF-8"
        ) from None


@contextmanager
def _reading(path: Path) -> Generator[None]:
    """Name the file in what goes wrong."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        reason = first_line(error).replace("unexpected end of data", "a quote is not closed")
        raise DataError(f"{path}: is no readable table ({reason})") from error
