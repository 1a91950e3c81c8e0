"""What evaluation.json says, per split, with the role that each split played."""

import re

from fleetfoot.core.results import Json

Pairs = list[tuple[int, int, int]]

# A larger matrix is no picture any more; the most confused pairs say the same.
MATRIX_CLASSES = 100
LISTED_CLASSES = 100  # of more the page lists the hardest
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
    above `MATRIX_CLASSES` classes), ``pairs`` (most confused), ``hardest`` (places in ``per_class``
    of those with the lowest recall; None up to `LISTED_CLASSES`) and ``worst``.
    """
    return {
        name: _split(evaluation[name], role=role)
        for name, role in (("test", "final"), ("val", "selection"))
        if evaluation.get(name)
    }


def _split(part: Json, *, role: str) -> Json:
    pairs, classes = _counts(part), part["classes"]
    split: Json = {name: part[name] for name in FIELDS}
    split["role"] = role
    split["confusion"] = _matrix(pairs, len(classes)) if len(classes) <= MATRIX_CLASSES else None
    split["pairs"] = _pairs(pairs, classes)
    split["hardest"] = _hardest(part["per_class"])
    split["worst"] = [_worst(item) for item in part["worst"]]
    return split


def _counts(part: Json) -> Pairs:
    """Return (truth, predicted, images); format 1 of the file has them as a whole matrix."""
    if "pairs" in part:
        return [(truth, predicted, images) for truth, predicted, images in part["pairs"]]
    return [
        (row, column, count)
        for row, counts in enumerate(part["confusion"])
        for column, count in enumerate(counts)
        if count
    ]


def _matrix(pairs: Pairs, classes: int) -> list[list[int]]:
    matrix = [[0] * classes for _ in range(classes)]
    for truth, predicted, images in pairs:
        matrix[truth][predicted] = images
    return matrix


def _pairs(pairs: Pairs, classes: list[str]) -> list[Json]:
    """Return the pairs of classes most often taken for each other."""
    wrong = sorted((-images, row, column) for row, column, images in pairs if row != column)
    return [
        {"truth": classes[row], "predicted": classes[column], "images": -less}
        for less, row, column in wrong[:PAIRS]
    ]


def _hardest(per_class: list[Json]) -> list[int] | None:
    if len(per_class) <= LISTED_CLASSES:
        return None
    known = [place for place, row in enumerate(per_class) if row["recall"] is not None]
    return sorted(known, key=lambda place: per_class[place]["recall"])[:LISTED_CLASSES]


def _worst(item: Json) -> Json:
    names = ("key", "label", "predicted", "probability", "loss")
    thumbnail = item["thumbnail"]
    # The page may hold nothing but pictures here, whoever wrote the file.
    safe = isinstance(thumbnail, str) and _THUMBNAIL.fullmatch(thumbnail) is not None
    return {name: item[name] for name in names} | {"thumbnail": thumbnail if safe else None}
