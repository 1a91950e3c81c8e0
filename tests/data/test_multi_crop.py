import numpy as np
import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.data.multi_crop import View, seen, views_of
from fleetfoot.data.preprocess import Preprocess

GREY = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def preprocess(size: int = 24, fraction: float = 0.75) -> Preprocess:
    return Preprocess(size, fraction, "bilinear", *GREY)


def image(height: int = 32, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_ten_views_are_corners_and_centre_of_the_centred_square_and_their_mirrors():
    views = views_of(32, 40, preprocess(), 10)
    lefts_and_tops = [view.box[:2] for view in views[:5]]
    assert lefts_and_tops == [(4, 0), (12, 0), (4, 8), (12, 8), (8, 4)]
    assert [view.box for view in views[5:]] == [view.box for view in views[:5]]
    assert [view.mirrored for view in views] == [False] * 5 + [True] * 5


def test_views_of_whole_pixels_are_slices():
    picture = image()
    for view in views_of(32, 40, preprocess(), 10):
        left, top, right, bottom = (int(edge) for edge in view.box)
        expected = picture[top:bottom, left:right]
        expected = expected[:, ::-1] if view.mirrored else expected
        np.testing.assert_array_equal(seen(picture, view, preprocess()), expected)


@pytest.mark.parametrize("count", [1, 2])
def test_the_first_view_is_the_evaluation_square(count: int):
    views = views_of(32, 40, preprocess(), count)
    np.testing.assert_array_equal(seen(image(), views[0], preprocess()), preprocess().crop(image()))
    assert [view.mirrored for view in views] == [False, True][:count]


def test_144_views_are_four_sizes_three_squares_six_crops_and_mirrors():
    views = views_of(352, 500, preprocess(224, 0.875), 144)
    assert len(views) == 144
    assert len(set(views)) == 4 * 3 * (5 * 2) + 3 * 2  # the squares themselves come at each size
    sides = sorted({round(right - left, 3) for (left, _, right, _), _ in views})
    assert sides == pytest.approx([224, 246.4, 352 * 224 / 288, 308, 352])
    assert {box[0] for box, _ in views} >= {0.0, 74.0, 148.0}
    edges = np.array([box for box, _ in views])
    assert edges.min() >= 0
    assert (edges.max(axis=0) <= (500 + 1e-9, 352 + 1e-9) * 2).all()


def test_an_upright_image_has_its_squares_above_each_other():
    boxes = [view.box for view in views_of(500, 352, preprocess(224, 0.875), 144)]
    assert {box[1] for box in boxes} >= {0.0, 74.0, 148.0}


def test_views_of_a_constant_image_are_equal_and_a_flip_permutes_them():
    flat = np.full((32, 40, 3), 7, dtype=np.uint8)
    views = views_of(32, 40, preprocess(), 10)
    assert all((seen(flat, view, preprocess()) == 7).all() for view in views)
    picture = image()
    of_flipped = {seen(picture[:, ::-1], view, preprocess()).tobytes() for view in views}
    assert of_flipped == {seen(picture, view, preprocess()).tobytes() for view in views}


def test_an_image_of_the_inputs_size_stays_as_it_is():
    small = image(24, 24)
    whole = preprocess(24, 1.0)
    views = views_of(24, 24, whole, 2)
    assert views[0] == View((0, 0, 24, 24), mirrored=False)
    np.testing.assert_array_equal(seen(small, views[0], whole), small)


def test_counts_and_squares_without_corners_are_refused():
    with pytest.raises(UsageError, match="--crops 5: is not one of 1, 2, 10, 144"):
        views_of(32, 32, preprocess(), 5)
    with pytest.raises(UsageError, match=r"10 crops: .* 2 adds the mirror image"):
        views_of(32, 32, preprocess(24, 1.0), 10)
