"""What evaluation.json says, per split, with the role that each split played."""

import re
from typing import Any

Json = dict[str, Any]

# A larger matrix is no picture any more; the most confused pairs say the same.
MATRIX_CLASSES = 100
PAIRS = 20
FIELDS = (
    "images",
    "correct",
    "top1",
    "top1_low",
    "top1_high",
    "top5",
    "classes",
    "per_class",
    "calibration",
)
_THUMBNAIL = re.compile(r"data:image/(?:jpeg|png);base64,[A-Za-z0-9+/]+={0,2}")


def splits(evaluation: Json) -> Json:
    """Return the evaluated splits by name, the final figure first.

    Each has `FIELDS`, ``role`` ("final" or "selection"), ``confusion`` (rows are the truth; None
    above `MATRIX_CLASSES` classes), ``pairs`` (most confused) and ``worst``.
    """
    return {
        name: _split(evaluation[name], role=role)
        for name, role in (("test", "final"), ("val", "selection"))
        if evaluation.get(name)
    }


def _split(part: Json, *, role: str) -> Json:
    confusion = part["confusion"]
    split: Json = {name: part[name] for name in FIELDS}
    split["role"] = role
    split["confusion"] = confusion if len(confusion) <= MATRIX_CLASSES else None
    split["pairs"] = _pairs(confusion, part["classes"])
    split["worst"] = [_worst(item) for item in part["worst"]]
    return split


def _pairs(confusion: list[list[int]], classes: list[str]) -> list[Json]:
    """Return the pairs of classes most often taken for each other."""
    wrong = [
        (count, row, column)
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    wrong.sort(key=lambda item: (-item[0], item[1], item[2]))
    return [
        {"truth": classes[row], "predicted": classes[column], "images": count}
        for count, row, column in wrong[:PAIRS]
    ]


def _worst(item: Json) -> Json:
    names = ("key", "label", "predicted", "probability", "loss")
    thumbnail = item["thumbnail"]
    # The page may hold nothing but pictures here, whoever wrote the file.
    safe = isinstance(thumbnail, str) and _THUMBNAIL.fullmatch(thumbnail) is not None
    return {name: item[name] for name in names} | {"thumbnail": thumbnail if safe else None}
