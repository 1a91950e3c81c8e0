from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fleetfoot.data.augment import Augment, draw, flipped, random_box, shifted
from fleetfoot.data.batches import BatchMaker, Request
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.random_cut import random_cut

CONTRACT = Preprocess(16, 1.0, "bilinear", (127.0,) * 3, (64.0,) * 3)


def read(index: int) -> np.ndarray:
    shape = (20 + index, 30, 3)
    return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)


def request(*indices: int, epoch: int | None = 0) -> Request:
    array = np.array(indices)
    return Request(array, array * 0, epoch)


def test_evaluation_is_the_plain_crop_whatever_the_augmentation() -> None:
    for augment in (None, Augment(), Augment(crop="pad")):
        made = BatchMaker(CONTRACT, augment, 0).from_images(request(3, 1, epoch=None), read)
        np.testing.assert_array_equal(made.images[0], CONTRACT.crop(read(3)))
        np.testing.assert_array_equal(made.images[1], CONTRACT.crop(read(1)))


def test_a_random_box_and_a_flip_against_their_parts() -> None:
    augment = Augment()
    wanted = request(*range(12), epoch=4)
    made = BatchMaker(CONTRACT, augment, 7).from_images(wanted, read)
    numbers, flips = draw(
        augment, seed=7, epoch=4, indices=wanted.indices, occurrences=wanted.occurrences
    )
    assert 0 < flips.sum() < 12
    for place in range(12):
        image = read(place)
        cut = random_cut(CONTRACT, image, random_box(*image.shape[:2], augment, numbers[place]))
        expected = cut[:, ::-1] if flips[place] else cut
        np.testing.assert_array_equal(made.images[place], expected)


def test_squares_and_files_give_one_batch() -> None:
    squares = np.stack([CONTRACT.crop(read(index)) for index in range(12)])
    augment = Augment(crop="pad", pad=2)
    maker, wanted = BatchMaker(CONTRACT, augment, 0), request(5, 2, 11, 0)
    made = maker.from_squares(wanted, squares).images
    np.testing.assert_array_equal(made, maker.from_images(wanted, read).images)
    numbers, flips = draw(
        augment, seed=0, epoch=0, indices=wanted.indices, occurrences=wanted.occurrences
    )
    np.testing.assert_array_equal(
        made, flipped(shifted(squares[wanted.indices], 2, numbers), flips)
    )


@pytest.mark.parametrize("augment", [Augment(), Augment(crop="pad"), Augment(rand_augment=9)])
def test_company_and_threads_make_no_difference(augment: Augment) -> None:
    maker = BatchMaker(CONTRACT, augment, 0)
    together = maker.from_images(request(*range(8)), read).images
    for index in range(8):
        alone = maker.from_images(request(index), read).images[0]
        np.testing.assert_array_equal(alone, together[index])
    with ThreadPoolExecutor(3) as pool:
        threaded = maker.from_images(request(*range(8)), read, pool).images
    np.testing.assert_array_equal(threaded, together)


def test_an_image_that_comes_twice_is_cut_in_two_ways() -> None:
    wanted = Request(np.array([3, 3]), np.array([0, 1]), 0)
    images = BatchMaker(CONTRACT, Augment(), 0).from_images(wanted, read).images
    assert (images[0] != images[1]).any()


def test_grey_images_keep_one_channel() -> None:
    grey = Preprocess(16, 1.0, "bilinear", (127.0,), (64.0,), channels=1)
    for augment in (Augment(), Augment(crop="pad"), None):
        made = BatchMaker(grey, augment, 0).from_images(request(0, 1), read)
        assert made.images.shape == (2, 16, 16, 1)
        assert min(made.read_seconds, made.augment_seconds) > 0
