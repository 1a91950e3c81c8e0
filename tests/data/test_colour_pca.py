import numpy as np
import pytest

from fleetfoot.core.errors import ShapeError
from fleetfoot.data.colour_pca import (
    STD,
    STORED,
    _normals,
    colour_axes,
    colour_shifted,
    some_colours,
)


def uniforms(count: int) -> np.ndarray:
    return np.random.default_rng(1).random((count, 4))


def test_axes_give_the_covariance_back_and_are_orthogonal():
    draw = np.random.default_rng(0)
    pixels = draw.normal(size=(5000, 3)) @ np.array([[50.0, 40, 30], [0, 9, -4], [0, 0, 5]])
    axes = colour_axes(pixels)
    np.testing.assert_allclose(axes @ axes.T, np.cov(pixels.T, bias=True), rtol=1e-9)
    product = axes.T @ axes
    np.testing.assert_allclose(product, np.diag(np.diag(product)), atol=1e-6)
    assert (np.diff(np.diag(product)) > 0).all()


def test_the_stored_axes_are_the_authors():
    lengths = np.sqrt((STORED**2).sum(axis=0))
    np.testing.assert_allclose(lengths, [19.721, 37.094, 121.780], rtol=1e-4)
    eigenvalues = (lengths / 255) ** 2
    np.testing.assert_allclose(eigenvalues, [0.00598, 0.02116, 0.22807], rtol=2e-3)
    cosines = (STORED / lengths).T @ (STORED / lengths)
    np.testing.assert_allclose(cosines, np.eye(3), atol=1e-4)


def test_an_image_is_shifted_by_one_colour():
    images = np.full((4, 5, 5, 3), 128, dtype=np.uint8)
    shifted = colour_shifted(images, STORED, uniforms(4))
    assert shifted.dtype == np.uint8
    assert (shifted == shifted[:, :1, :1]).all()
    assert len(np.unique(shifted[:, 0, 0], axis=0)) > 1
    expected = 128 + (STD * _normals(uniforms(4))) @ STORED.T
    np.testing.assert_allclose(shifted[:, 0, 0], expected, atol=0.5001)


def test_the_covariance_of_the_shifts_is_that_of_the_formula():
    axes = STORED / 3  # far from 0 and 255
    images = np.full((20_000, 1, 1, 3), 128, dtype=np.uint8)
    found = colour_shifted(images, axes, uniforms(20_000)).reshape(-1, 3).astype(float)
    expected = STD**2 * axes @ axes.T + np.eye(3) / 12  # the last is rounding
    np.testing.assert_allclose(np.cov(found.T), expected, rtol=0.05)
    np.testing.assert_allclose(found.mean(axis=0), 128, atol=0.1)


def test_draws_are_standard_normal_and_independent():
    normals = _normals(uniforms(50_000))
    np.testing.assert_allclose(np.cov(normals.T), np.eye(3), atol=0.02)
    np.testing.assert_allclose((normals**4).mean(axis=0), 3, rtol=0.05)


def test_grey_images_have_no_colours():
    with pytest.raises(ShapeError, match="three colours, got 1"):
        colour_shifted(np.zeros((1, 2, 2, 1), dtype=np.uint8), STORED, uniforms(1))


def test_some_colours_are_spread_over_the_images_and_the_same_again():
    def read(index: int) -> np.ndarray:
        return np.full((4, 4, 3), index, dtype=np.uint8)

    found = some_colours(read, 5)
    assert found.shape == (5 * 256, 3)
    assert set(found[:, 0]) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(found, some_colours(read, 5))
