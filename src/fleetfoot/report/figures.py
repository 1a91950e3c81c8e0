"""How a figure is written on the page: the unit follows from the name of the field.

Fields carry their unit (`latency_ms_p50`, `train_seconds`, `bytes_moved`), fractions have the
names that INTERFACES give accuracies; `kind_of` reads both, `shown` writes the text.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

THIN = "\u202f"  # narrow no-break space between a number and its unit
UNKNOWN = "unknown"

_FRACTIONS = re.compile(
    r"(^|_)(top1|top5|accuracy|precision|recall|f1|ece|confidence|probability|fraction|share)"
    r"(_low|_high|_agreement|_ema)?$"
)
_UNIT = re.compile(r"(?<=.)_(ms|seconds|bytes)$")
# Where None says something else than that nobody knows.
ABSENT = {"quota_cpus": "no quota"}
_COUNTS = 10_000  # from here on a count gets separators


def kind_of(name: str, value: Any) -> str:
    """Return how a field is shown: percent, ms, seconds, bytes, count, number, yes-no or text.

    >>> [kind_of(name, 0.5) for name in ("latency_ms_p50", "top1_low", "train_seconds", "lr")]
    ['ms', 'percent', 'seconds', 'number']
    """
    if isinstance(value, bool):
        return "yes-no"
    if not isinstance(value, (int, float)):
        return "text"
    words = name.lower().split("_")
    if _FRACTIONS.search(name.lower()):
        return "percent"
    for word, kind in (
        ("ms", "ms"),
        ("seconds", "seconds"),
        ("bytes", "bytes"),
        ("caches", "bytes"),
    ):
        if word in words:
            return kind
    return "count" if isinstance(value, int) else "number"


def shown(value: Any, kind: str = "text") -> str:
    """Return the text of a figure; ``None`` is "unknown", never zero.

    >>> [shown(*figure).replace(THIN, " ") for figure in ((0.983, "percent"), (None, "ms"))]
    ['98.3 %', 'unknown']
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNKNOWN
    if isinstance(value, bool):
        yes, no = ("\u2713 met", "\u2717 missed") if kind == "met" else ("yes", "no")
        return yes if value else no
    if not isinstance(value, (int, float)):
        return _text(value)
    return _WRITERS.get(kind, _number)(value)


def plain_name(name: object) -> str:
    """Return a field's name in words; the value is written with its unit, so it goes.

    >>> plain_name("step_ms"), plain_name("latency_ms_p50")
    ('step', 'latency ms p50')
    """
    return _UNIT.sub("", str(name)).replace("_", " ")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}{THIN}%"


def _ms(value: float) -> str:
    if 0 < value < 0.01:  # two digits, in the unit of the column
        return f"{value:.{1 - math.floor(math.log10(value))}f}{THIN}ms"
    if value >= 100:
        return f"{value:,.0f}{THIN}ms"
    return f"{value:.{1 if value >= 10 else 2 if value >= 0.1 else 3}f}{THIN}ms"


def _seconds(value: float) -> str:
    if value >= 3600:
        return f"{int(value // 3600)}{THIN}h {int(value % 3600 // 60)}{THIN}min"
    if value >= 60:
        return f"{int(value // 60)}{THIN}min {int(value % 60)}{THIN}s"
    return f"{value:.{0 if value >= 10 else 1 if value >= 1 else 3}f}{THIN}s"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.{0 if unit == 'B' else 1}f}{THIN}{unit}"
        value /= 1024
    raise AssertionError("unreachable: GiB takes all")


def _si(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.2f}{THIN}{unit}"
    return _number(value)


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _COUNTS else f"{value:.0f}"


def _number(value: float) -> str:
    if isinstance(value, int) or value == int(value):
        return str(int(value)) if abs(value) < 1e15 else f"{value:.3g}"
    return f"{value:.4g}"


def _times(value: float) -> str:
    return f"{value:.{0 if value >= 100 else 1}f}\u00d7"


_WRITERS = {
    "percent": _percent,
    "ms": _ms,
    "seconds": _seconds,
    "bytes": _bytes,
    "si": _si,
    "count": _count,
    "number": _number,
    "times": _times,
}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (
            f"{plain_name(key)} {shown(item, kind_of(str(key), item))}"
            for key, item in value.items()
        )
        return ", ".join(pairs) or "none"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return ", ".join(shown(item) for item in value) or "none"
    return str(value)
