import json

import numpy as np
import pytest

from fleetfoot.core.errors import ShapeError
from fleetfoot.core.results import to_json
from fleetfoot.measure.accuracy import (
    calibration,
    confused,
    cross_entropy,
    evaluate_logits,
    softmax,
    top_k,
    wilson_interval,
)

CLASSES = ("a", "b", "c")
# Right, right, wrong (b for c), wrong (a for b): the third is the more confident mistake.
LOGITS = np.array([[4.0, 0, 0], [0, 3, 0], [0, 5, 0], [2, 0, 0]], dtype=np.float32)
LABELS = np.array([0, 1, 2, 1])


def test_evaluation_by_hand():
    result = evaluate_logits(LOGITS, LABELS, classes=CLASSES, keys=["w", "x", "y", "z"])
    assert (result.images, result.correct, result.top1, result.top5) == (4, 2, 0.5, None)
    assert result.pairs == ((0, 0, 1), (1, 0, 1), (1, 1, 1), (2, 1, 1))
    b = result.per_class[1]
    assert (b.name, b.images, b.precision, b.recall, b.f1) == ("b", 2, 0.5, 0.5, 0.5)
    assert result.per_class[2].precision is None
    assert result.per_class[2].recall == 0.0
    assert [(w.key, w.label, w.predicted) for w in result.worst] == [
        ("y", "c", "b"),
        ("z", "b", "a"),
    ]


def test_thumbnails_are_asked_for_the_worst_only():
    asked: list[int] = []

    def thumbnail(index: int) -> str:
        asked.append(index)
        return f"data:{index}"

    result = evaluate_logits(LOGITS, LABELS, classes=CLASSES, worst=1, thumbnail=thumbnail)
    assert asked == [2]
    assert result.worst[0].thumbnail == "data:2"


def test_the_record_is_plain_json():
    record = to_json(evaluate_logits(LOGITS, LABELS, classes=CLASSES))
    assert record["pairs"][1] == [1, 0, 1]
    assert set(record["calibration"]["bins"][0]) == {
        *("low", "high", "confidence", "accuracy", "images"),
    }


def test_top5_with_more_than_five_classes():
    logits = np.tile(np.arange(7.0), (2, 1))
    result = evaluate_logits(logits, np.array([2, 1]), classes=list("abcdefg"))
    assert result.top5 == 0.5
    assert top_k(logits, np.array([2, 1]), k=6) == 1.0


def test_loss_and_softmax_survive_large_logits():
    logits = np.array([[1000.0, 0.0]])
    assert softmax(logits).tolist() == [[1.0, 0.0]]
    assert cross_entropy(logits, np.array([1])).tolist() == [1000.0]


def test_calibration_by_hand():
    # Two of 0.9 (one right), two of 0.6 (both right): |0.5-0.9|/2 + |1-0.6|/2 = 0.4
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    result = calibration(probabilities, np.array([0, 1, 0, 0]), bins=10)
    assert result.ece == pytest.approx(0.4)
    assert [bin.images for bin in result.bins] == [0, 0, 0, 0, 0, 2, 0, 0, 2, 0]
    assert result.bins[0].accuracy is None


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_confusion_counts_every_image():
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 5, (2, 200))
    table = {(true, said): images for true, said, images in confused(guess, truth)}
    assert sum(table.values()) == 200
    assert table[2, 3] == ((truth == 2) & (guess == 3)).sum()


def test_the_record_grows_with_the_images_not_with_the_square_of_the_classes():
    labels = np.arange(300)
    record = to_json(evaluate_logits(np.eye(300)[labels[::-1]], labels, classes=["x"] * 300))
    assert len(record["pairs"]) == 300
    assert len(json.dumps(record)) < 300 * 150


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros(1, int), "do not fit 1 labels"),
        (np.zeros((2, 4)), np.zeros(2, int), "of 3 classes"),
        (np.zeros((0, 3)), np.zeros(0, int), "no image"),
        (np.zeros((1, 3)), np.array([3]), r"0\.\.2, got 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(logits: np.ndarray, labels: np.ndarray, message: str):
    with pytest.raises(ShapeError, match=message):
        evaluate_logits(logits, labels, classes=CLASSES)
