import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError, ShapeError
from fleetfoot.data.decode import decode
from fleetfoot.data.preprocess import Preprocess

MEAN, STD = (123.0, 116.0, 103.0), (58.0, 57.0, 57.5)


def contract(size: int = 24, fraction: float = 0.875, **changes: object) -> Preprocess:
    values = {"interpolation": "bicubic", "mean": MEAN, "std": STD, **changes}
    return Preprocess(size, fraction, **values)


@pytest.mark.parametrize("shape", [(40, 48), (48, 40), (37, 91), (1, 5000), (5000, 1), (1, 1)])
@pytest.mark.parametrize("interpolation", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_odd_shapes_become_squares(shape: tuple[int, int], interpolation: str) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    crop = contract(interpolation=interpolation).crop(image)
    assert crop.shape == (24, 24, 3)
    assert crop.dtype == np.uint8
    assert (crop == 77).all()


def test_the_centre_is_kept() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 20:60] = 255  # the centre square, and nothing else
    assert (contract(fraction=1.0, interpolation="box").crop(image) == 255).all()
    image[10:30, 30:50] = 100
    assert (contract(20, 0.5, interpolation="nearest").crop(image) == 100).all()


def test_one_resize_of_one_box() -> None:
    image = np.random.default_rng(0).integers(0, 256, (61, 97, 3), dtype=np.uint8)
    side = 61 * 0.875
    box = ((97 - side) / 2, (61 - side) / 2, (97 + side) / 2, (61 + side) / 2)
    expected = Image.fromarray(image).resize((24, 24), Image.Resampling.BICUBIC, box=box)
    np.testing.assert_array_equal(contract().crop(image), np.asarray(expected))


def test_averaging_against_numpy() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    means = image.reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))
    crop = contract(fraction=1.0, interpolation="box").crop(image)
    np.testing.assert_allclose(crop, means, atol=1.01)  # Pillow rounds after each of two passes


def test_cropping_twice_is_cropping_once() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    crop = contract().crop(image)
    np.testing.assert_array_equal(contract().crop(crop), crop)


def test_grey_is_pillows_luminance() -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    grey = contract(channels=1, mean=(127.0,), std=(64.0,))
    crop = grey.crop(image)
    assert crop.shape == (24, 24, 1)
    np.testing.assert_array_equal(crop[:, :, 0], np.asarray(Image.fromarray(image).convert("L")))
    np.testing.assert_array_equal(grey.crop(crop), crop)
    assert grey.crop(np.repeat(image, 2, axis=0)).shape == (24, 24, 1)
    plane = np.arange(576, dtype=np.uint8).reshape(24, 24)
    np.testing.assert_array_equal(grey.crop(decode(plane))[:, :, 0], plane)


def test_normalising_against_numpy() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    expected = np.empty((3, 3, 5, 7))
    for channel in range(3):
        expected[:, channel] = (batch[..., channel] - MEAN[channel]) / STD[channel]
    result = contract().normalise(batch)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    with pytest.raises(ShapeError, match=r"\(N, H, W, 3\)"):
        contract().normalise(batch[0])


def test_json_there_and_back() -> None:
    written = json.loads(json.dumps(contract().to_json()))
    assert Preprocess.from_json(written) == contract()
    assert written["schema"] == "fleetfoot.preprocess/1"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema": "fleetfoot.preprocess/9"}, "schema"),
        ({"size": 0}, "size is 0"),
        ({"size": "large"}, "wrong kind"),
        ({"crop_fraction": 1.5}, "crop_fraction"),
        ({"interpolation": "magic"}, "nearest, box"),
        ({"channels": 2}, "channels"),
        ({"mean": [1.0]}, "3 values"),
        ({"std": [1.0, 0.0, 1.0]}, "positive"),
        ({"std": [1.0, float("nan"), 1.0]}, "finite"),
        ({"mean": [float("inf"), 1.0, 1.0]}, "finite"),
        ({"size": float("inf")}, "wrong kind"),
    ],
)
def test_bad_json_is_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(DataError, match=match):
        Preprocess.from_json({**contract().to_json(), **changes})


def test_the_depth_is_written_where_it_is_not_16_bits() -> None:
    assert "depth" not in contract().to_json()
    deep = contract(depth=12)
    assert deep.to_json()["depth"] == 12
    assert Preprocess.from_json(deep.to_json()) == deep
    with pytest.raises(DataError, match="depth is 13, must be one of 8, 10, 12, 14, 16"):
        contract(depth=13)


def test_a_missing_key_is_named() -> None:
    written = contract().to_json()
    del written["std"]
    with pytest.raises(DataError, match="'std' is missing"):
        Preprocess.from_json(written)


def test_every_odd_file_passes(tmp_path: Path, saved: Callable[..., bytes]) -> None:
    wide = np.zeros((1, 5000), np.uint16)
    grey = saved(wide)
    assert contract().crop(decode(grey)).shape == (24, 24, 3)
