"""`fleetfoot nets`: the networks with their counts and what can be had of weights."""

from dataclasses import dataclass
from typing import TextIO

from fleetfoot.core.errors import UsageError, require
from fleetfoot.jobs.screen import counted, table

FACTS = (
    *("name", "family", "note", "params", "macs", "input", "classes", "paper"),
    "checked_against",
)  # that a row takes from the catalogue


@dataclass(frozen=True, kw_only=True)
class NetRow:
    """One network; counts are for `input` and the published number of classes.

    Attributes:
        family: name of the file that defines it.
        note: what sets it apart.
        macs: multiply-accumulates of one image.
        classes: the published number of classes.
        checked_against: what a test compares the definition with.
        weights: where published weights come from, None where there are none.
        license: licence of those weights, "unknown" where nobody says; None without weights.
    """

    name: str
    family: str
    note: str
    params: int
    macs: int
    input: tuple[int, ...]
    classes: int
    paper: str
    checked_against: str
    weights: str | None
    license: str | None


@dataclass(frozen=True)
class NetsRecord:
    """The networks whose name matches, sorted by name."""

    nets: tuple[NetRow, ...]


def nets(pattern: str = "*") -> NetsRecord:
    """Return the registered networks whose name matches a shell pattern.

    Raises:
        UsageError: no name matches; a name without wildcards gets the nearest names.
        MissingError: torch is not installed.
    """
    require("torch", extra="train")
    from fleetfoot.nets.catalog import entries, entry
    from fleetfoot.nets.weights import pretrained

    found = entries(pattern)
    if not found and not any(c in pattern for c in "*?["):
        found = (entry(pattern),)
    if not found:
        raise UsageError(f"no network matches {pattern!r}; `fleetfoot nets` lists all")
    rows: list[NetRow] = []
    for item in found:
        info = pretrained(item.name)
        known = {name: getattr(item, name) for name in FACTS}
        row = NetRow(**known, weights=info and info.source, license=info and info.licence)
        rows.append(row)
    return NetsRecord(tuple(rows))


def show(record: NetsRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    headings = ("name", "params", "MACs", "input", "paper", "weights", "licence of weights")
    rows = [
        (
            *(net.name, counted(net.params), counted(net.macs)),
            *("x".join(str(n) for n in net.input), net.paper),
            *(net.weights or "-", net.license or "-"),
        )
        for net in record.nets
    ]
    table(stream, headings, rows, right=(1, 2))
