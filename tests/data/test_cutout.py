"""Cutout and random erasing: which pixels go, how many, and that draws are repeated."""

import numpy as np
import pytest
import torch

from fleetfoot.data.cutout import cutout, random_erasing


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [1, 4, 5])
def test_squares_of_side_around_a_pixel_are_clipped(side: int) -> None:
    images = torch.randn(50, 3, 8, 6)
    before = images.clone()
    out = cutout(images, seeded(), side=side).numpy()
    assert torch.equal(images, before)
    draws = seeded()
    down, right = (torch.randint(n, (50,), generator=draws).numpy() for n in (8, 6))
    expected = before.numpy().copy()
    for image, row, column in zip(expected, down, right):
        top, left = row - side // 2, column - side // 2
        image[:, max(0, top) : top + side, max(0, left) : left + side] = 0
    np.testing.assert_array_equal(out, expected)


def test_clipping_leaves_less_than_the_square() -> None:
    gone = (cutout(torch.ones(2000, 1, 32, 32), seeded(), side=16) == 0).float().mean(dim=0)
    # each way 14 of 16 pixels on average: 36 + 28 of 32 * 16 lie outside
    assert gone.sum().item() == pytest.approx(14 * 14, rel=0.03)


def test_two_holes_are_one_after_the_other() -> None:
    images = torch.ones(6, 1, 8, 8)
    draws = seeded()
    once = cutout(images, draws, side=2)
    twice = cutout(once, draws, side=2)
    assert torch.equal(cutout(images, seeded(), side=2, holes=2), twice)


def test_erased_rectangles_have_the_published_areas_and_shapes() -> None:
    out = random_erasing(torch.ones(400, 1, 32, 32), seeded(), chance=1.0)
    for image in out[:, 0].numpy():
        rows, columns = np.nonzero(image == 0)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert height < 32
        assert width < 32
        # the sides are rounded, so area and shape lie a little outside
        assert 0.01 < height * width / 1024 < 0.44
        assert 0.2 < height / width < 4.2


def test_a_share_of_the_images_is_erased() -> None:
    images = torch.randn(1000, 3, 8, 8)
    out = random_erasing(images, seeded(), chance=0.5)
    touched = (out == 0).flatten(1).any(dim=1)
    assert touched.float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(out[~touched], images[~touched])
    assert torch.equal(random_erasing(images, seeded(), chance=0.0), images)


def test_no_rectangle_fits_an_image_of_one_pixel() -> None:
    images = torch.ones(3, 1, 1, 1)
    assert torch.equal(random_erasing(images, seeded(), chance=1.0), images)


def test_equal_seeds_equal_draws_and_any_layout() -> None:
    images = torch.randn(5, 3, 8, 8)
    nhwc = images.contiguous(memory_format=torch.channels_last)
    for change in (
        lambda x, g: cutout(x, g, side=4),
        lambda x, g: random_erasing(x, g, chance=0.7),
    ):
        first = change(images, seeded(3))
        assert torch.equal(change(images, seeded(3)), first)
        assert torch.equal(change(nhwc, seeded(3)), first)
        assert not torch.equal(change(images, seeded(4)), first)
