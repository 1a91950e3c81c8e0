"""A latency budget as a person writes it."""

import math

from fleetfoot.core.errors import UsageError


def parse_budget(text: str | float) -> float:
    """Return milliseconds from "5ms", "0.5s", "800us" or a plain number of milliseconds.

    >>> [parse_budget(text) for text in ("5ms", "0.5 s", "800us", 3)]
    [5.0, 500.0, 0.8, 3.0]

    Raises:
        UsageError: not a positive time.
    """
    word = str(text).strip().lower()
    factor = 1.0
    for unit, size in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if word.endswith(unit):
            word, factor = word.removesuffix(unit).strip(), size
            break
    try:
        value = float(word) * factor
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"budget {text!r} is not a time: write it like 5ms, 0.5s or 800us")
    return round(value, 9)
