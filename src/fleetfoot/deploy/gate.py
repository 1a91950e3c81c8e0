"""The parity gate: a deployed form must answer as the trained network does, on real images.

Float32  is the same arithmetic in another order: no logit may differ by more than `ROUNDING` of
         their spread, and no more answers than `AGREEMENT` says, whatever the labels
Lower    precisions lose at most max(1, floor(max_drop * n)) correct images, net, and keep the share
         of answers that `AGREEMENT` says (below 500 images with room for chance, see
         `allowed_changes`); without labels their mean logit difference is at most `SPREAD` of the
         logits' spread
Source   INTERFACES.md, "Deploying"; agreement levels from papers/deployment.md
Letters  N images, C classes
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import ShapeError

GATE_IMAGES = 1000
"""How many crops gate and tuning see; more would only cost time."""
AGREEMENT_IMAGES = 500
"""From this many images on, agreement has no room for chance."""
AGREEMENT = {"float32": 0.998, "bfloat16": 0.99, "float16": 0.99, "int8": 0.97, "w1a1": 0.99}
ROUNDING = 0.002
"""Largest logit difference of float32, as a share of the logits' standard deviation.

Forms of our networks differ by up to 0.0001 of it; where OpenVINO computed another function than
it was told (`guard_pools`), by 0.004 to 0.5.
"""
LEAST_SPREAD = 1e-3
"""The spread of logits that all but agree: the last digit of a constant is no difference."""
SPREAD = 0.10
"""Without labels: mean logit difference of a lower precision, as such a share."""


@dataclass(frozen=True)
class GateSet:
    """Images that a deployed form is compared on.

    Attributes:
        images: uint8 crops (N, H, W, C), as `Preprocess.crop` gives them.
        labels: true classes (N,), or None for a network that was never trained.
        picture: one of the images as the user has it, uint8 (H, W, C); None is the first crop.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.integer] | None = None
    picture: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or len(self.images) == 0:
            raise ShapeError(
                f"the gate needs uint8 images (N, H, W, C), got shape {self.images.shape}"
            )
        if self.labels is not None and len(self.labels) != len(self.images):
            raise ShapeError(f"{len(self.images)} gate images have {len(self.labels)} labels")


@dataclass(frozen=True, kw_only=True)
class Parity:
    """A deployed form against the reference, eager float32 logits of the same weights.

    Attributes:
        images: how many were compared.
        correct_reference: correct answers of the reference; None without labels.
        correct: correct answers of the deployed form; None without labels.
        net_lost: ``correct_reference - correct``; negative for a gain.
        top1_agreement: fraction of images with the same answer.
        max_logit_difference: largest difference of any logit.
        mean_logit_difference: mean difference over all logits.
        logit_spread: standard deviation of the reference's logits.
        worst_image: index of the image with the largest difference.
    """

    images: int
    correct_reference: int | None
    correct: int | None
    net_lost: int | None
    top1_agreement: float
    max_logit_difference: float
    mean_logit_difference: float
    logit_spread: float
    worst_image: int


@dataclass(frozen=True)
class Verdict:
    """Whether a form passes, and the sentence that says why."""

    passed: bool
    reason: str


def compare(
    logits_NC: NDArray[np.floating],
    reference_NC: NDArray[np.floating],
    *,
    labels_N: NDArray[np.integer] | None,
) -> Parity:
    """Return how far logits are from the reference's.

    Raises:
        ShapeError: the two have different shapes.
    """
    if logits_NC.shape != reference_NC.shape:
        raise ShapeError(
            f"the deployed form gives {logits_NC.shape}, the reference {reference_NC.shape}"
        )
    difference_NC = np.abs(logits_NC.astype(np.float64) - reference_NC.astype(np.float64))
    answer_N, expected_N = logits_NC.argmax(axis=1), reference_NC.argmax(axis=1)
    before = None if labels_N is None else int((expected_N == labels_N).sum())
    after = None if labels_N is None else int((answer_N == labels_N).sum())
    return Parity(
        images=len(logits_NC),
        correct_reference=before,
        correct=after,
        net_lost=None if before is None or after is None else before - after,
        top1_agreement=float((answer_N == expected_N).mean()),
        max_logit_difference=float(difference_NC.max()),
        mean_logit_difference=float(difference_NC.mean()),
        logit_spread=float(reference_NC.std()),
        worst_image=int(difference_NC.max(axis=1).argmax()),
    )


def spread(total: int, count: int) -> NDArray[np.int64]:
    """Return ``count`` places among ``total``, evenly spread; all of them where there are fewer.

    Images often come class by class, and the first hundred would be of one class.

    >>> spread(10, 4).tolist(), spread(2, 4).tolist()
    ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, total)
    return np.arange(count) * total // max(count, 1)


def allowed_loss(images: int, max_drop: float) -> int:
    """Return how many correct images, net, a form may lose.

    >>> [allowed_loss(n, 0.01) for n in (20, 99, 500)]
    [1, 1, 5]
    """
    return max(1, math.floor(max_drop * images))


def allowed_changes(images: int, precision: str, max_drop: float) -> int:
    """Return how many answers a lower precision may change.

    Below `AGREEMENT_IMAGES` images there is room for three standard deviations of chance, and for
    what the user is ready to lose.

    >>> [allowed_changes(n, "int8", 0.01) for n in (20, 99, 499, 500)]
    [2, 8, 26, 15]
    """
    expected = (1 - AGREEMENT.get(precision, 1.0)) * images
    if images >= AGREEMENT_IMAGES:
        return math.floor(expected + 1e-9)
    return max(1, math.floor(expected + 3 * math.sqrt(expected)), math.floor(max_drop * images))


def judge(parity: Parity, *, precision: str, max_drop: float) -> Verdict:
    """Return the gate's verdict on one form."""
    if not math.isfinite(parity.max_logit_difference):
        return Verdict(False, "its outputs are not finite numbers")
    if precision == "float32" and (why := _beyond_rounding(parity)):
        return Verdict(False, f"float32: {why}, which is more than rounding")
    if parity.net_lost is None:
        return _judge_logits(parity)
    allowed = allowed_loss(parity.images, max_drop)
    images = f"{parity.net_lost} of {parity.images} images lost, {allowed} allowed"
    if parity.net_lost > allowed:
        return Verdict(False, f"{precision}: {images}")
    changed, room = _changed(parity), allowed_changes(parity.images, precision, max_drop)
    if changed > room:
        return Verdict(False, f"{precision}: {_changes(parity, room)}")
    return Verdict(True, images)


def _beyond_rounding(parity: Parity) -> str:
    """Return what is too far from the reference for float32, or ""."""
    share = _share(parity.max_logit_difference, parity)
    if share > ROUNDING:
        return f"a logit differs by {share:.2%} of the spread, {ROUNDING:.1%} allowed"
    room = max(1, math.floor((1 - AGREEMENT["float32"]) * parity.images))
    return _changes(parity, room) if _changed(parity) > room else ""


def _changed(parity: Parity) -> int:
    return round((1 - parity.top1_agreement) * parity.images)


def _changes(parity: Parity, room: int) -> str:
    return f"{_changed(parity)} of {parity.images} answers changed, {room} allowed"


def _judge_logits(parity: Parity) -> Verdict:
    share = _share(parity.mean_logit_difference, parity)
    return Verdict(
        share <= SPREAD,
        f"no labels: logits differ by {share:.2%} of their spread, {SPREAD:.0%} allowed",
    )


def _share(difference: float, parity: Parity) -> float:
    return difference / max(parity.logit_spread, LEAST_SPREAD)
