"""`fleetfoot audit`: what is in a data set, before anything is trained on it."""

from typing import TYPE_CHECKING, TextIO

from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.jobs.screen import MOST_CLASSES, MOST_LINES, lines, number, table

if TYPE_CHECKING:
    from fleetfoot.data.audit import Audit, Duplicates


def audit(data: str, *, listener: Listener = SILENT) -> "Audit":
    """Return the audit of a data set; damaged files are listed, not refused.

    Raises:
        DataError: the data set is missing or has no images.
    """
    from fleetfoot.data.audit import audit as audit_data
    from fleetfoot.data.open_data import open_data

    listener.stage(f"reading {data}")
    opened = open_data(data, allow_class_mismatch=True, skip_damaged=True)
    listener.stage(f"auditing {data}")
    return audit_data(opened)


def show(record: "Audit", stream: TextIO) -> None:
    """Write the record for a person."""
    smallest, largest = record.smallest, record.largest
    sides = "unknown"
    if smallest is not None and largest is not None:
        sides = "{} x {} to {} x {} px".format(*smallest, *largest)
    pairs = [
        ("images", f"{_counts(record.images)} ({record.looked_at} looked at)"),
        ("imbalance", f"{number(record.imbalance, '{:.1f}')} : 1, largest to smallest class"),
        ("sizes", f"{sides}; short side {_counts(record.short_sides)}"),
        ("modes", _counts(record.modes)),
        ("formats", _counts(record.formats)),
        ("EXIF-turned", str(len(record.exif_turned))),
        ("exact duplicates", _duplicates(record.exact_duplicates)),
        ("near duplicates", _duplicates(record.near_duplicates)),
        ("groups in several splits", str(len(record.groups_across_splits))),
        ("damaged", str(len(record.damaged))),
        *(("", damage.reason) for damage in record.damaged[:MOST_LINES]),
        *(("note", note) for note in record.notes),
    ]
    lines(stream, pairs)
    stream.write("\n")
    splits = list(record.images)
    rows = [
        (name, *(str(counts.get(split, 0)) for split in splits))
        for name, counts in list(record.classes.items())[:MOST_CLASSES]
    ]
    table(stream, ("class", *splits), rows, right=range(1, len(splits) + 1))
    if len(record.classes) > MOST_CLASSES:
        stream.write(f"{len(record.classes)} classes; --json has every one\n")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _duplicates(found: "Duplicates") -> str:
    across, differing = len(found.across_splits), len(found.differing_labels)
    return f"{len(found.groups)} groups, {across} across splits, {differing} with differing labels"
