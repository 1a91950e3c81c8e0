"""What a person reads is made of this: tables, lines, figures; the words of ``--json`` are fields.

How a record is shown is beside it: `show` in the same file.
Rich is imported for tables only, so that `predict` stays quick.
"""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

Row = Sequence[str]
HOMES = {
    "measure": "measure_record",
    "claims": "claims_record",
}  # of records that are not in the file of the verb

# more are no longer read on a screen
MOST_CLASSES = 50
MOST_LINES = 10


def show(verb: str, record: Any, stream: TextIO) -> None:
    """Write the record that the job of a verb returned, for a person."""
    home: Any = importlib.import_module(f"fleetfoot.jobs.{HOMES.get(verb, verb)}")
    home.show(record, stream)


def percent(fraction: float | None, *, digits: int = 1) -> str:
    """Return a fraction as per cent, "unknown" for None.

    >>> percent(0.98765)
    '98.8 %'
    """
    return "unknown" if fraction is None else f"{100 * fraction:.{digits}f} %"


def interval(correct: int, images: int) -> str:
    """Return the Wilson 95 % interval of a share of images.

    >>> interval(90, 99)
    '83.6 to 95.1 %'
    """
    from fleetfoot.measure.accuracy import wilson_interval

    low, high = wilson_interval(correct, images)
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def number(value: float | None, form: str = "{:.3g}") -> str:
    """Return a number as text, "-" for None."""
    return "-" if value is None else form.format(value)


def counted(value: int | None) -> str:
    """Return a large count with a unit.

    >>> [counted(n) for n in (950, 3_909_000, 338_000_000, None)]
    ['950', '3.91 M', '338 M', '-']
    """
    if value is None:
        return "-"
    for size, unit in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def table(stream: TextIO, headings: Row, rows: Iterable[Row], *, right: Iterable[int] = ()) -> None:
    """Write a table without borders; the columns in ``right`` are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = set(right)
    rows = list(rows)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        justify = "right" if index in columns else "left"
        whole = index == 0 or index in columns or not stream.isatty()  # names and figures
        grid.add_column(heading, justify=justify, no_wrap=whole)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    width = None if stream.isatty() else 1000  # a pipe has no width: lines stay whole
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    unlimited = console.options.update(max_width=10_000)
    least = console.measure(grid, options=unlimited).minimum
    if least > console.width:  # figures are never cut: a block a row
        for row in rows:
            lines(stream, [(head, cell) for head, cell in zip(headings, row) if cell])
            stream.write("\n")
        return
    with console.capture() as drawn:
        console.print(grid)
    for line in drawn.get().splitlines():
        stream.write(line.rstrip() + "\n")


def lines(stream: TextIO, pairs: Iterable[tuple[str, str]]) -> None:
    """Write one ``name  value`` per line, the values under each other."""
    kept = list(pairs)
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        stream.write(f"{name:<{width}}  {value}\n")


def with_golden(bundle: str) -> str:
    """Return the path of a bundle, and how many of the user's images lie in it."""
    images = len([*Path(bundle).glob("golden/*.png")])
    held = f" (with {images} of your images in golden/; --no-golden leaves them out)"
    return f"{bundle}{held if images else ''}"
