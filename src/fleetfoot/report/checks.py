"""The data audit as a list of checks: what was looked for, what was found, whether to worry."""

from typing import Any

from fleetfoot.core.results import Json
from fleetfoot.report.figures import shown

EXAMPLES = 6
MEMBERS = 4  # of a group of duplicates that are named
IMBALANCE = 3.0  # from here on a rare class is better balanced than left alone

# What the checks say; the rest of the audit is listed as it is.
COVERED = (
    *("images", "classes", "imbalance", "damaged", "exif_turned", "exact_duplicates"),
    *("near_duplicates", "groups_across_splits", "notes"),
)
_DUPLICATES = {
    "groups": ("images alike", False),
    "across_splits": ("alike across splits: the figures flatter", True),
    "differing_labels": ("alike with different labels", True),
}


def audit_checks(audit: Json) -> list[Json]:
    """Return rows of ``check``, ``found`` (a number or None), ``look`` (bool) and ``examples``.

    Args:
        audit: the audit record of data.json.
    """
    rows = [
        _row("damaged files", audit["damaged"], look=True),
        _row("pictures turned by their EXIF tag", audit["exif_turned"], look=False),
    ]
    for name, words in (("exact_duplicates", "pixel for pixel"), ("near_duplicates", "nearly")):
        rows += [
            _row(f"{words} {what}", audit[name][field], look=look)
            for field, (what, look) in _DUPLICATES.items()
        ]
    rows.append(_row("groups in more than one split", audit["groups_across_splits"], look=True))
    imbalance = audit["imbalance"]
    rows.append(
        {
            "check": "largest class over smallest, in training",
            "found": imbalance,
            "look": imbalance is not None and imbalance >= IMBALANCE,
            "examples": [],
        }
    )
    return rows


def _row(check: str, found: list[Any], *, look: bool) -> Json:
    return {
        "check": check,
        "found": len(found),
        "look": look and bool(found),
        "examples": [_example(item) for item in found[:EXAMPLES]],
    }


def _example(item: Any) -> str:
    if isinstance(item, dict):
        return f"{item['key']}: {item['reason']}"
    if isinstance(item, list):
        more = f" and {len(item) - MEMBERS} more" if len(item) > MEMBERS else ""
        return " = ".join(shown(key) for key in item[:MEMBERS]) + more
    return shown(item)
