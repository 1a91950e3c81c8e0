"""Temperatures against a fine grid, on answers whose true confidence is known."""

import numpy as np
import pytest

from fleetfoot.measure.accuracy import calibration, cross_entropy, softmax
from fleetfoot.measure.temperature import calibrate, cross_fitted, fit_temperature


def drawn(images: int, *, scale: float, classes: int = 6, seed: int = 0):
    """Logits that would be calibrated, times ``scale``, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    logits = 3 * generator.standard_normal((images, classes))
    labels = np.array([generator.choice(classes, p=p) for p in softmax(logits)])
    return scale * logits, labels


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_finds_the_temperature_that_was_put_in(scale: float) -> None:
    logits, labels = drawn(2000, scale=scale)
    assert fit_temperature(logits, labels) == pytest.approx(scale, rel=0.1)
    before, after = (
        calibration(softmax(x), labels).ece for x in (logits, cross_fitted(logits, labels))
    )
    assert after < 0.03
    assert after <= before + 0.005


def test_is_the_best_of_a_fine_grid() -> None:
    logits, labels = drawn(60, scale=0.3)
    grid = np.exp(np.linspace(-5, 5, 4001))
    costs = [cross_entropy(logits / t, labels).sum() + np.log(t) ** 2 / 2 for t in grid]
    assert fit_temperature(logits, labels) == pytest.approx(grid[np.argmin(costs)], rel=0.01)


@pytest.mark.parametrize("images", [30, 1000])
def test_all_right_is_sure_but_not_certain(images: int) -> None:
    logits = np.tile([1.0, 0.0], (images, 1))
    confidence = softmax(logits / fit_temperature(logits, np.zeros(images, int)))[0, 0]
    assert 1 - 4 / images < confidence < 1 - 1e-5


def test_all_wrong_is_unsure_and_finite() -> None:
    logits = np.tile([9.0, 0.0], (50, 1))
    confidence = softmax(logits / fit_temperature(logits, np.ones(50, int)))[0, 0]
    assert 0.5 < confidence < 0.6


def test_no_image_is_judged_by_a_temperature_that_saw_it() -> None:
    logits, labels = drawn(25, scale=0.3)
    changed = labels.copy()
    changed[7] = (changed[7] + 1) % 6
    for fold in range(5):
        same = np.arange(25) % 5 == fold
        moved = not np.array_equal(
            cross_fitted(logits, labels)[same], cross_fitted(logits, changed)[same]
        )
        assert moved is (fold != 7 % 5)


def test_answers_and_their_order_stay() -> None:
    logits, labels = drawn(100, scale=0.2)
    assert np.array_equal(cross_fitted(logits, labels).argsort(), logits.argsort())


def test_too_few_images_or_no_gain_give_none() -> None:
    logits, labels = drawn(300, scale=0.2)
    assert calibrate(logits[:19], labels[:19]) is None
    found = calibrate(logits, labels)
    assert found is not None
    assert (found.images, found.ece_after < found.ece_before) == (300, True)
    assert calibrate(np.zeros((100, 4)), np.arange(100) % 4) is None  # nothing to scale


def test_extreme_logits_stay_finite() -> None:
    logits = np.array([[1e4, -1e4], [-69.0, 0.0]] * 20, dtype=np.float32)
    found = fit_temperature(logits, np.array([0, 1] * 20))
    assert np.isfinite(found)
    assert found > 0
