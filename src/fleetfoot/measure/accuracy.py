"""Accuracy from logits and labels, in NumPy: training, the parity gate and reports share it.

Letters  N images, C classes
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import ShapeError

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
WILSON_Z = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True)
class ClassScore:
    """One class: how many images it has, and how well they are found.

    `precision` and `recall` are None where nothing was predicted, or nothing is there.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Bin:
    """Predictions whose confidence lies in (low, high]; means are None in an empty bin."""

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    images: int


@dataclass(frozen=True)
class Calibration:
    """How far confidences are from frequencies.

    Attributes:
        ece: expected calibration error, a fraction.
        bins: what it is summed over.
        temperature: that logits were divided by before; None of logits as they are.
        ece_before: the error without it.
    """

    ece: float
    bins: tuple[Bin, ...]
    temperature: float | None = None
    ece_before: float | None = None


@dataclass(frozen=True)
class WorstImage:
    """An image the network was most wrong about; `thumbnail` is a data URI or None."""

    key: str
    label: str
    predicted: str
    probability: float
    loss: float
    thumbnail: str | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics of one network on one split; accuracies are fractions.

    `top1_low` and `top1_high` bound top-1 with 95 % (Wilson); `top5` is None below six classes;
    `pairs` has (truth, predicted, images) for every pair of class numbers that occurred.
    """

    images: int
    correct: int
    top1: float
    top1_low: float
    top1_high: float
    top5: float | None
    loss: float
    classes: tuple[str, ...]
    pairs: tuple[tuple[int, int, int], ...]
    per_class: tuple[ClassScore, ...]
    calibration: Calibration
    worst: tuple[WorstImage, ...]


def evaluate_logits(
    logits_NC: Floats,
    labels_N: Ints,
    *,
    classes: Sequence[str],
    keys: Sequence[str] | None = None,
    worst: int = 12,
    thumbnail: Callable[[int], str | None] | None = None,
) -> Evaluation:
    """Return the metrics of logits against labels.

    Args:
        logits_NC: one row per image.
        labels_N: true class numbers.
        classes: names, C of them.
        keys: names of the images, for `Evaluation.worst`.
        worst: how many of the worst mistakes to keep.
        thumbnail: gives a picture for the image of an index, called for the worst only.

    Raises:
        ShapeError: sizes do not fit each other, or there is no image.
    """
    _check(logits_NC, labels_N, len(classes))
    probabilities_NC = softmax(logits_NC)
    predicted_N = logits_NC.argmax(axis=1)
    loss_N = cross_entropy(logits_NC, labels_N)
    correct = int((predicted_N == labels_N).sum())
    low, high = wilson_interval(correct, len(labels_N))
    wrong = np.flatnonzero(predicted_N != labels_N)
    order: list[int] = wrong[np.argsort(-loss_N[wrong], kind="stable")][:worst].tolist()
    return Evaluation(
        images=len(labels_N),
        correct=correct,
        top1=correct / len(labels_N),
        top1_low=low,
        top1_high=high,
        top5=top_k(logits_NC, labels_N, k=5) if len(classes) > 5 else None,
        loss=float(loss_N.mean()),
        classes=tuple(classes),
        pairs=confused(predicted_N, labels_N),
        per_class=class_scores(predicted_N, labels_N, classes=classes),
        calibration=calibration(probabilities_NC, labels_N),
        worst=tuple(
            WorstImage(
                key=str(i) if keys is None else keys[i],
                label=classes[int(labels_N[i])],
                predicted=classes[int(predicted_N[i])],
                probability=float(probabilities_NC[i, predicted_N[i]]),
                loss=float(loss_N[i]),
                thumbnail=thumbnail(i) if thumbnail else None,
            )
            for i in order
        ),
    )


def softmax(logits_NC: Floats) -> Floats:
    """Return probabilities along the last axis, computed in float64.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    exponentials = _shifted(logits_NC)
    np.exp(exponentials, out=exponentials)
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def averaged(logits: Sequence[Floats]) -> Floats:
    """Return logits, (N, C), whose softmax is the mean of the softmaxes of several.

    >>> even, sure = np.array([[0.0, 0.0]]), np.array([[100.0, 0.0]])
    >>> softmax(averaged([even, sure])).round(2).tolist()
    [[0.75, 0.25]]
    """
    mean_NC = sum(softmax(one_NC) for one_NC in logits[1:]) + softmax(logits[0])
    return np.log(np.maximum(mean_NC / len(logits), np.finfo(np.float64).tiny))


def cross_entropy(logits_NC: Floats, labels_N: Ints) -> Floats:
    """Return the loss of every image, (N,), in nats."""
    shifted_NC = _shifted(logits_NC)
    own_N = shifted_NC[np.arange(len(labels_N)), labels_N]
    np.exp(shifted_NC, out=shifted_NC)
    return np.log(shifted_NC.sum(axis=1)) - own_N


def _shifted(logits_NC: Floats) -> NDArray[np.float64]:
    """Return logits less the largest of their row: one copy, of many classes a large one."""
    shifted_NC = logits_NC.astype(np.float64)
    shifted_NC -= logits_NC.max(axis=-1, keepdims=True)
    return shifted_NC


def top_k(logits_NC: Floats, labels_N: Ints, *, k: int) -> float:
    """Return the fraction of images whose label is among the k largest logits.

    The label is in when fewer than k logits are greater; a tie counts for the label.
    """
    own_N1 = logits_NC[np.arange(len(labels_N)), labels_N][:, None]
    return float(((logits_NC > own_N1).sum(axis=1) < k).mean())


def confused(predicted_N: Ints, labels_N: Ints) -> tuple[tuple[int, int, int], ...]:
    """Return (truth, predicted, images) for the pairs that occurred, in the order of classes.

    >>> confused(np.array([1, 0, 1]), np.array([1, 1, 1]))
    ((1, 0, 1), (1, 1, 2))
    """
    pairs, counts = np.unique(np.stack([labels_N, predicted_N]), axis=1, return_counts=True)
    return tuple(zip(*pairs.tolist(), counts.tolist(), strict=True))


def class_scores(
    predicted_N: Ints, labels_N: Ints, *, classes: Sequence[str]
) -> tuple[ClassScore, ...]:
    """Return precision, recall and F1 of every class."""
    hits, predicted, present = (
        np.bincount(numbers, minlength=len(classes))
        for numbers in (labels_N[predicted_N == labels_N], predicted_N, labels_N)
    )
    return tuple(
        ClassScore(
            name=name,
            images=int(present[i]),
            precision=_fraction(hits[i], predicted[i]),
            recall=_fraction(hits[i], present[i]),
            f1=_fraction(2 * hits[i], predicted[i] + present[i]),
        )
        for i, name in enumerate(classes)
    )


def calibration(probabilities_NC: Floats, labels_N: Ints, *, bins: int = 15) -> Calibration:
    """Return the expected calibration error over bins of equal width.

    ECE is the mean, weighted by images, of |accuracy - confidence| per bin (Guo et al., 2017).
    """
    confidence_N = probabilities_NC.max(axis=1)
    correct_N = probabilities_NC.argmax(axis=1) == labels_N
    index_N = np.clip(np.ceil(confidence_N * bins).astype(int) - 1, 0, bins - 1)
    rows: list[Bin] = []
    error = 0.0
    for i in range(bins):
        inside = index_N == i
        count = int(inside.sum())
        confidence = float(confidence_N[inside].mean()) if count else None
        accuracy = float(correct_N[inside].mean()) if count else None
        if confidence is not None and accuracy is not None:
            error += count / len(labels_N) * abs(accuracy - confidence)
        rows.append(Bin(i / bins, (i + 1) / bins, confidence, accuracy, count))
    return Calibration(ece=error, bins=tuple(rows))


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a fraction; (0, 1) without trials.

    >>> [round(bound, 4) for bound in wilson_interval(90, 99)]
    [0.8362, 0.9514]
    """
    if trials == 0:
        return 0.0, 1.0
    z2 = WILSON_Z**2
    fraction = successes / trials
    centre = (fraction + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = fraction * (1 - fraction) / trials + z2 / (4 * trials**2)
    half = WILSON_Z / (1 + z2 / trials) * float(np.sqrt(spread))
    return max(0.0, centre - half), min(1.0, centre + half)


def _fraction(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _check(logits_NC: Floats, labels_N: Ints, classes: int) -> None:
    if logits_NC.ndim != 2 or logits_NC.shape != (len(labels_N), classes):
        raise ShapeError(
            f"logits of shape {logits_NC.shape} do not fit {len(labels_N)} labels of {classes} "
            "classes"
        )
    if len(labels_N) == 0:
        raise ShapeError("there is no image to evaluate")
    if labels_N.min() < 0 or labels_N.max() >= classes:
        raise ShapeError(f"labels must lie in 0..{classes - 1}, got {labels_N.max()}")
