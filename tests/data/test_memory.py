import numpy as np

from fleetfoot.data.augment import Augment
from fleetfoot.data.memory import bytes_needed, decode_larger, decode_squares, threads
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split

CONTRACT = Preprocess(20, 0.875, "bilinear", (127.0,) * 3, (64.0,) * 3)
SHAPES = {"0": (40, 60), "1": (10, 200), "2": (26, 26), "3": (1, 300), "4": (90, 30)}


def read(key: str) -> np.ndarray:
    shape = (*SHAPES[key], 3)
    return np.random.default_rng(int(key)).integers(0, 256, shape, dtype=np.uint8)


SPLIT = Split("train", tuple(Sample(i, str(i), 0) for i in range(5)), read)


def test_squares_are_the_evaluation_crops() -> None:
    squares = decode_squares(SPLIT, CONTRACT)
    assert squares.shape == (5, 20, 20, 3)
    for index in range(5):
        np.testing.assert_array_equal(squares[index], CONTRACT.crop(SPLIT.read(index)))


def test_larger_images_keep_their_shape() -> None:
    shapes = [image.shape[:2] for image in decode_larger(SPLIT, CONTRACT)]
    assert shapes == [(26, 39), (10, 200), (26, 26), (1, 300), (78, 26)]


def test_the_estimate() -> None:
    assert bytes_needed(10, CONTRACT, augment=None) == 10 * 20 * 20 * 3
    assert bytes_needed(10, CONTRACT, augment=Augment(crop="pad")) == 10 * 20 * 20 * 3
    larger = bytes_needed(10, CONTRACT, augment=Augment())
    assert abs(larger - 10 * 26 * 26 * 3 * 4 / 3) < 2
    assert threads() >= 1
