"""The data audit as a list of checks: what was looked for, what was found, whether to worry."""

from typing import Any

from fleetfoot.report.figures import shown

Json = dict[str, Any]

EXAMPLES = 6
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
        audit: the audit record of data.json; a part that it lacks has found = None.
    """
    rows = [
        _row("damaged files", audit.get("damaged"), look=True),
        _row("pictures turned by their EXIF tag", audit.get("exif_turned"), look=False),
    ]
    for name, words in (("exact_duplicates", "pixel for pixel"), ("near_duplicates", "nearly")):
        part = audit.get(name)
        record: Json = part if isinstance(part, dict) else {"groups": part}
        for field, (what, look) in _DUPLICATES.items():
            if field in record:
                rows.append(_row(f"{words} {what}", record[field], look=look))
    rows.append(_row("groups in more than one split", audit.get("groups_across_splits"), look=True))
    imbalance = audit.get("imbalance")
    rows.append(
        {
            "check": "largest class over smallest, in training",
            "found": imbalance,
            "look": isinstance(imbalance, (int, float)) and imbalance >= IMBALANCE,
            "examples": [],
        }
    )
    return rows


def _row(check: str, found: Any, *, look: bool) -> Json:
    items = found if isinstance(found, (list, tuple)) else ()
    count = len(items) if isinstance(found, (list, tuple)) else found
    return {
        "check": check,
        "found": count,
        "look": look and bool(count),
        "examples": [_example(item) for item in items[:EXAMPLES]],
    }


def _example(item: Any) -> str:
    if isinstance(item, dict) and {"key", "reason"} <= set(item):
        return f"{item['key']}: {item['reason']}"
    if isinstance(item, (list, tuple)):
        return " = ".join(shown(key) for key in item)
    return shown(item)
