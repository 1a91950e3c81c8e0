"""Boxes cut by torch against Pillow's: inside, at their edges, at those of the image, tiny ones."""

from collections.abc import Callable

import numpy as np
import pytest

from fleetfoot.data.preprocess import Box, Preprocess
from fleetfoot.data.random_cut import FILTERS, random_cut

SIZE = 32
BOXES = [(20, 10, 84, 58), (20, 10, 52, 42), (40, 40, 56, 50), (0, 0, 97, 80), (90, 60, 97, 80)]


def contract(interpolation: str = "bilinear", *, channels: int = 3) -> Preprocess:
    return Preprocess(SIZE, 1.0, interpolation, (127.0,) * channels, (64.0,) * channels, channels)


@pytest.fixture
def image(noise: Callable[..., np.ndarray]) -> np.ndarray:
    return noise(0, height=80, width=97)  # from Pillow, and so read-only


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("box", BOXES)
def test_a_box_is_what_pillow_makes_of_it_alone(
    image: np.ndarray, box: tuple[int, int, int, int], interpolation: str
) -> None:
    """Larger and smaller than the input, square and not, inside and at the image's edges."""
    left, top, right, bottom = box
    found = random_cut(contract(interpolation), image, box)
    alone = image[top:bottom, left:right]
    expected = contract(interpolation).cut(alone, (0, 0, right - left, bottom - top))
    difference = abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.05


@pytest.mark.parametrize("interpolation", FILTERS)
def test_away_from_its_edges_a_box_is_pillows(image: np.ndarray, interpolation: str) -> None:
    box = (10, 8, 90, 72)
    found = random_cut(contract(interpolation), image, box).astype(int)
    difference = found - contract(interpolation).cut(image, box)
    assert abs(difference.mean()) < 0.1
    assert abs(difference[3:-3, 3:-3]).max() <= 1


def test_edges_are_rounded_to_whole_pixels(image: np.ndarray) -> None:
    rough = random_cut(contract(), image, (19.6, 10.3, 84.4, 57.7))
    np.testing.assert_array_equal(rough, random_cut(contract(), image, (20, 10, 84, 58)))


@pytest.mark.parametrize(
    ("box", "pixel"),
    [
        ((3.2, 5.1, 3.4, 5.3), (5, 3)),
        ((0.0, 0.0, 0.3, 0.3), (0, 0)),
        ((96.7, 79.6, 97.0, 80.0), (79, 96)),
        ((96.4, 0.0, 97.0, 0.2), (0, 96)),
    ],
)
@pytest.mark.parametrize("interpolation", FILTERS)
def test_less_than_a_pixel_is_one(
    image: np.ndarray, box: Box, pixel: tuple[int, int], interpolation: str
) -> None:
    assert (random_cut(contract(interpolation), image, box) == image[pixel]).all()


def test_the_result_can_be_written_to_and_the_image_stays(image: np.ndarray) -> None:
    assert not image.flags.writeable
    for source in (image, image.copy(), image[:, ::-1]):
        found = random_cut(contract(), source, (0, 0, 97, 80))
        assert found.shape == (SIZE, SIZE, 3)
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        assert not np.shares_memory(found, source)
        before = source.copy()
        found[:] = 0
        np.testing.assert_array_equal(source, before)


@pytest.mark.parametrize("interpolation", ["nearest", "box", "lanczos"])
def test_other_filters_are_pillows(image: np.ndarray, interpolation: str) -> None:
    box = (19.6, 10.3, 84.4, 57.7)
    found = random_cut(contract(interpolation), image, box)
    np.testing.assert_array_equal(found, contract(interpolation).cut(image, box))


def test_grey_input_from_colour_is_pillows(image: np.ndarray) -> None:
    box, grey = (19.6, 10.3, 84.4, 57.7), contract(channels=1)
    found = random_cut(grey, image, box)
    assert found.shape == (SIZE, SIZE, 1)
    np.testing.assert_array_equal(found, grey.cut(image, box))


def test_grey_images_keep_their_channel(image: np.ndarray) -> None:
    box, grey = (0, 0, 97, 80), contract(channels=1)
    found = random_cut(grey, image[:, :, :1], box).astype(int)
    assert found.shape == (SIZE, SIZE, 1)
    assert abs(found - grey.cut(image[:, :, :1], box)).max() <= 1
