from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleetfoot.core.results import to_json
from fleetfoot.measure.accuracy import evaluate_logits
from fleetfoot.report.accuracy import splits
from tests.report.conftest import part


def evaluated(answers: list[int], labels: list[int], *, classes: int) -> dict[str, Any]:
    """Return the record of a split whose images were answered so."""
    logits = np.eye(classes)[answers]
    names = [f"c{i}" for i in range(classes)]
    return to_json(evaluate_logits(logits, np.array(labels), classes=names))


def test_the_final_figure_comes_first(run_folder: Path) -> None:
    found = splits(part(run_folder, "evaluation.json"))
    assert [(name, split["role"]) for name, split in found.items()] == [
        ("test", "final"),
        ("val", "selection"),
    ]


def test_without_a_test_split_there_is_one() -> None:
    assert list(splits({"val": evaluated([0, 1], [0, 1], classes=2), "test": None})) == ["val"]


def test_pairs_are_the_errors_of_the_matrix() -> None:
    found = splits({"val": evaluated([0, 0, 0, 0], [0, 1, 1, 1], classes=2)})["val"]
    assert found["pairs"] == [{"truth": "c1", "predicted": "c0", "images": 3}]
    assert found["confusion"] == [[1, 0], [3, 0]]


def test_the_whole_matrix_of_format_1_is_read() -> None:
    record = evaluated([0, 0, 0, 0], [0, 1, 1, 1], classes=2)
    now = splits({"val": record})
    old = {name: value for name, value in record.items() if name != "pairs"}
    assert splits({"val": {**old, "confusion": [[1, 0], [3, 0]]}}) == now


def test_a_thousand_classes_have_no_picture() -> None:
    labels = [*range(101), *[7] * 5]
    found = splits({"val": evaluated([*range(101), *[3] * 5], labels, classes=101)})
    assert found["val"]["confusion"] is None
    assert found["val"]["pairs"] == [{"truth": "c7", "predicted": "c3", "images": 5}]


@pytest.mark.parametrize(
    ("thumbnail", "kept"),
    [
        ("data:image/jpeg;base64,QUJD", True),
        ("data:image/svg+xml;base64,QUJD", False),
        ("https://example.org/a.png", False),
        ('data:image/png;base64,AA" onerror="x', False),
        (None, False),
    ],
)
def test_a_thumbnail_is_a_picture_or_nothing(thumbnail: str | None, kept: bool) -> None:
    record = evaluated([0], [1], classes=2)
    record["worst"][0]["thumbnail"] = thumbnail
    worst = splits({"val": record})["val"]["worst"]
    assert (worst[0]["thumbnail"] is not None) is kept
