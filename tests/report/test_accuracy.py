from typing import Any

import pytest

from fleetfoot.report.accuracy import splits


def part(**more: Any) -> dict[str, Any]:
    return {"images": 4, "correct": 3, "top1": 0.75, "classes": ["a", "b"]} | more


def test_the_final_figure_comes_first() -> None:
    found = splits({"schema": "x", "val": part(), "test": part(), "train": None})
    assert [(name, split["role"]) for name, split in found.items()] == [
        ("test", "final"),
        ("val", "selection"),
    ]


def test_pairs_are_the_errors_of_the_matrix() -> None:
    found = splits({"val": part(confusion=[[1, 0], [3, 0]])})["val"]
    assert found["pairs"] == [{"truth": "b", "predicted": "a", "images": 3}]
    assert found["confusion"] == [[1, 0], [3, 0]]


def test_a_thousand_classes_have_no_picture() -> None:
    size = 101
    confusion = [[int(i == j) + 5 * (i == 7 and j == 3) for j in range(size)] for i in range(size)]
    found = splits({"val": part(confusion=confusion, classes=[f"c{i}" for i in range(size)])})
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
    worst = splits({"val": part(worst=[{"key": "k", "thumbnail": thumbnail}])})["val"]["worst"]
    assert (worst[0]["thumbnail"] is not None) is kept
