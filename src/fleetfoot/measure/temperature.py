"""One temperature that all logits are divided by, so that a probability is a frequency.

Paper    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599,
         section 4.2
Departs  the logarithm of the temperature has a normal prior of deviation 1, which weighs as much as
         one or two images: where every answer is right, the likelihood alone would go on to
         certainty. The figure after calibration is cross-fitted: each image is judged with the
         temperature of the folds that it is not in, since one set of images has to serve for both
Letters  N images, C classes
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetfoot.measure.accuracy import calibration, cross_entropy, softmax

FOLDS = 5
LEAST_IMAGES = 20
LARGEST = 5.0  # of the logarithm: temperatures from 1/148 to 148
STEPS = 16  # of bisection by the slope of the loss: to 0.02 % of the temperature

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """A fitted temperature.

    Attributes:
        temperature: what logits are divided by.
        images: how many it was fitted on.
        ece_before: expected calibration error of the logits as they were, a fraction.
        ece_after: the same of the calibrated ones, cross-fitted.
    """

    temperature: float
    images: int
    ece_before: float
    ece_after: float


def calibrate(logits_NC: Floats, labels_N: Ints) -> Temperature | None:
    """Return the temperature of these logits.

    None with fewer than `LEAST_IMAGES` images, or where it does not make images likelier that it
    was not fitted on.
    """
    if len(labels_N) < LEAST_IMAGES:
        return None
    calibrated_NC = cross_fitted(logits_NC, labels_N)
    if not _loss(calibrated_NC, labels_N) < _loss(logits_NC, labels_N):
        return None
    return Temperature(
        temperature=fit_temperature(logits_NC, labels_N),
        images=len(labels_N),
        ece_before=calibration(softmax(logits_NC), labels_N).ece,
        ece_after=calibration(softmax(calibrated_NC), labels_N).ece,
    )


def cross_fitted(logits_NC: Floats, labels_N: Ints) -> Floats:
    """Return the logits, each image's divided by the temperature of the folds without it."""
    fold_N = np.arange(len(labels_N)) % FOLDS
    scale_N = np.empty(len(labels_N))
    for fold in range(FOLDS):
        others = fold_N != fold
        scale_N[~others] = fit_temperature(logits_NC[others], labels_N[others])
    return logits_NC / scale_N[:, None]


def fit_temperature(logits_NC: Floats, labels_N: Ints) -> float:
    """Return the likeliest temperature under the prior.

    >>> logits = np.array([[1.0, 0.0]] * 100)
    >>> labels = np.array([0] * 90 + [1] * 10)
    >>> float(softmax(logits[0] / fit_temperature(logits, labels))[0].round(2))
    0.9
    """
    # Float32 is enough for a slope, and a thousand images of a thousand classes take a while.
    z_NC = (logits_NC - logits_NC.max(axis=1, keepdims=True)).astype(np.float32)
    own = float(z_NC[np.arange(len(labels_N)), labels_N].sum(dtype=np.float64))
    low, high = -LARGEST, LARGEST
    for _ in range(STEPS):
        log_t = (low + high) / 2
        powers_NC = np.exp(z_NC * np.float32(np.exp(-log_t)))
        means_N = (powers_NC * z_NC).sum(axis=1) / powers_NC.sum(axis=1)
        slope = log_t - np.exp(-log_t) * (means_N.sum(dtype=np.float64) - own)
        low, high = (low, log_t) if slope > 0 else (log_t, high)
    return float(np.exp((low + high) / 2))


def _loss(logits_NC: Floats, labels_N: Ints) -> float:
    return float(cross_entropy(logits_NC, labels_N).sum())
