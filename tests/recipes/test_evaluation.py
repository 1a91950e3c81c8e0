import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split
from fleetfoot.measure.accuracy import calibration, softmax
from fleetfoot.measure.temperature import cross_fitted
from fleetfoot.recipes.evaluation import (
    crops,
    evaluate_split,
    predict_split,
    temperature_of,
    thumbnail,
)
from fleetfoot.train.evaluate import Predictions

PREPROCESS = Preprocess(4, 1.0, "bilinear", (0.0,) * 3, (255.0,) * 3)
SHADES = {"a": 10, "b": 240, "c": 20}


def read(key: str) -> np.ndarray:
    return np.full((4, 4, 3), SHADES[key], np.uint8)


SPLIT = Split("val", tuple(Sample(i, key, i % 2) for i, key in enumerate(SHADES)), read)


class Brightness(nn.Module):
    """Class 1 for bright pictures."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(dim=(1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], dim=1)


def test_predictions_and_metrics_of_a_split():
    predictions = predict_split(Brightness(), SPLIT, PREPROCESS)
    expected = [SHADES[key] / 255 - 0.5 for key in SHADES]
    np.testing.assert_allclose(predictions.logits[:, 1], expected, rtol=1e-6)
    found = evaluate_split(predictions, SPLIT, PREPROCESS, classes=("dark", "bright"))
    assert (found.images, found.correct) == (3, 3)
    assert found.worst == ()


def test_a_mistake_comes_with_its_picture():
    split = Split("val", (Sample(0, "b", 0),), read)
    predictions = predict_split(Brightness(), split, PREPROCESS)
    (worst,) = evaluate_split(predictions, split, PREPROCESS, classes=("dark", "bright")).worst
    assert (worst.key, worst.label, worst.predicted) == ("b", "dark", "bright")
    picture = Image.open(io.BytesIO(base64.b64decode(str(worst.thumbnail).split(",")[1])))
    assert picture.size == (4, 4)


def test_validation_images_are_judged_cross_fitted_and_test_images_by_the_temperature():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 60)
    logits = np.zeros((60, 2), np.float32)
    logits[np.arange(60), labels] = 0.2 * generator.random(60)  # right, and unsure
    said = Predictions(logits, labels, np.arange(60))
    samples = tuple(Sample(i, "a", int(label)) for i, label in enumerate(labels))
    temperature = temperature_of(said)
    assert temperature is not None
    found = {
        name: evaluate_split(
            said,
            Split(name, samples, read),
            PREPROCESS,
            classes=("dark", "bright"),
            temperature=temperature,
        )
        for name in ("val", "test")
    }
    scaled = {"val": cross_fitted(logits, labels), "test": logits / temperature.temperature}
    plain = evaluate_split(said, SPLIT, PREPROCESS, classes=("dark", "bright"))
    for name, one in found.items():
        expected = calibration(softmax(scaled[name]), labels).ece
        assert one.calibration.ece == pytest.approx(expected, abs=1e-6)
        assert one.calibration.ece < one.calibration.ece_before == plain.calibration.ece
        assert (one.top1, one.pairs) == (plain.top1, plain.pairs)
    assert found["val"].calibration.ece == pytest.approx(temperature.ece_after, abs=1e-6)
    assert plain.calibration.temperature is None


def test_crops_are_spread_over_the_split():
    found = crops(SPLIT, PREPROCESS, limit=2)
    assert found[:, 0, 0, 0].tolist() == [SHADES["a"], SHADES["b"]]
    assert len(crops(SPLIT, PREPROCESS, limit=100)) == 3


def test_a_grey_crop_has_a_thumbnail_too():
    assert thumbnail(np.zeros((8, 8, 1), np.uint8)).startswith("data:image/jpeg;base64,")
