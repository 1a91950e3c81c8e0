import base64
import io

import numpy as np
import torch
from PIL import Image
from torch import nn

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split
from fleetfoot.recipes.evaluation import crops, evaluate_split, predict_split, thumbnail

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


def test_crops_are_spread_over_the_split():
    found = crops(SPLIT, PREPROCESS, limit=2)
    assert found[:, 0, 0, 0].tolist() == [SHADES["a"], SHADES["b"]]
    assert len(crops(SPLIT, PREPROCESS, limit=100)) == 3


def test_a_grey_crop_has_a_thumbnail_too():
    assert thumbnail(np.zeros((8, 8, 1), np.uint8)).startswith("data:image/jpeg;base64,")
