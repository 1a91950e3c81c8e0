import math
import sys
import time

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import MissingError, UsageError
from fleetfoot.data.augment import (
    DOWN,
    NUMBERS,
    RIGHT,
    Augment,
    Mix,
    augmented,
    auto_augmented,
    draw,
    flipped,
    inner_box,
    rand_augmented,
    random_box,
    shifted,
)


def images(count: int, size: int = 8, channels: int = 3) -> np.ndarray:
    shape = (count, size, size, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def numbers(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, NUMBERS))


def drawn(augment: Augment, epoch: int, count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    indices = np.arange(count)
    return draw(augment, seed=0, epoch=epoch, indices=indices, occurrences=indices * 0)


def reflected(place: int, size: int) -> int:
    place = abs(place)
    return 2 * (size - 1) - place if place >= size else place


@pytest.mark.parametrize("pad", [1, 3, 4, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_shift_against_a_loop(pad: int, channels: int) -> None:
    batch, random = images(12, channels=channels), numbers(12)
    result = shifted(batch, pad, random)
    for image in range(12):
        down = math.floor(random[image, DOWN] * (2 * pad + 1)) - pad
        right = math.floor(random[image, RIGHT] * (2 * pad + 1)) - pad
        for y in range(8):
            for x in range(8):
                expected = batch[image, reflected(y + down, 8), reflected(x + right, 8)]
                np.testing.assert_array_equal(result[image, y, x], expected)


def test_every_shift_comes_up() -> None:
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None, None], (32, 32, 3))
    result = shifted(np.repeat(ramp[None], 2000, axis=0), 4, numbers(2000))
    counts = np.bincount(result[:, 16, 0, 0], minlength=21)[12:21]
    assert counts.sum() == 2000
    assert counts.min() > 150


def test_a_shift_larger_than_the_image_is_cut_down() -> None:
    assert shifted(images(3, size=2), 4, numbers(3)).shape == (3, 2, 2, 3)
    np.testing.assert_array_equal(shifted(images(3, size=1), 4, numbers(3)), images(3, size=1))
    np.testing.assert_array_equal(shifted(images(3), 0, numbers(3)), images(3))


def test_the_flip_against_numpy() -> None:
    batch = images(6)
    which = np.array([True, False, True, True, False, False])
    before = batch.copy()
    result = flipped(batch, which)
    np.testing.assert_array_equal(result[which], batch[which][:, :, ::-1])
    np.testing.assert_array_equal(result[~which], batch[~which])
    np.testing.assert_array_equal(batch, before)


def test_flip_probability_and_alternation() -> None:
    assert not drawn(Augment(flip=0.0), 0)[1].any()
    assert drawn(Augment(flip=1.0), 0)[1].all()
    assert abs(drawn(Augment(flip=0.25), 0, 8000)[1].mean() - 0.25) < 0.02
    epochs = [drawn(Augment(flip="alternate"), epoch, 4000)[1] for epoch in range(4)]
    assert abs(epochs[0].mean() - 0.5) < 0.03
    np.testing.assert_array_equal(epochs[0], ~epochs[1])
    np.testing.assert_array_equal(epochs[0], epochs[2])


@pytest.mark.parametrize("shape", [(288, 400), (400, 288), (100, 100), (1, 5000), (5000, 1)])
def test_random_boxes(shape: tuple[int, int]) -> None:
    height, width = shape
    augment = Augment(scale=(0.2, 0.9), ratio=(0.5, 2.0))
    boxes = np.array([random_box(height, width, augment, row) for row in numbers(2000)])
    left, top, right, bottom = boxes.T
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= width
    assert bottom.max() <= height
    assert ((right - left) > 0).all()
    assert ((bottom - top) > 0).all()
    ratio = (right - left) / (bottom - top)
    assert ratio.min() >= 0.5 - 1e-9
    assert ratio.max() <= 2.0 + 1e-9
    if min(shape) >= 100:
        share = (right - left) * (bottom - top) / (height * width)
        assert share.min() >= 0.2 - 1e-9
        assert (share > 0.9 + 1e-9).mean() < 0.01  # ten boxes that did not fit
        assert abs(np.log(ratio).mean()) < 0.2
        assert left.std() > 0.05 * width


def test_the_random_box_of_a_ribbon_is_its_centre() -> None:
    left, top, right, bottom = random_box(10, 1000, Augment(), numbers(1)[0])
    assert (top, bottom) == (0, 10)
    assert (left + right) / 2 == 500
    assert right - left == pytest.approx(10 * 4 / 3)


def test_rand_augment_depends_on_the_numbers_alone() -> None:
    batch, random = images(6, size=32), numbers(6)
    state = torch.random.get_rng_state()
    first = rand_augmented(batch, 9, random)
    torch.manual_seed(123)
    second = rand_augmented(batch[::-1], 9, random[::-1])[::-1]
    np.testing.assert_array_equal(first, second)
    assert (first != batch).any()
    torch.random.set_rng_state(state)
    rand_augmented(batch, 9, random)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert rand_augmented(images(2, channels=1), 9, numbers(2)).shape == (2, 8, 8, 1)


def test_rand_augment_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.transforms.v2", None)
    with pytest.raises(MissingError, match=r"torchvision\.transforms\.v2 .*fleetfoot\[train\]"):
        rand_augmented(images(2), 9, numbers(2))


def test_all_in_one() -> None:
    batch, random = images(5, size=16), numbers(5)
    flips = np.array([True, False, True, False, False])
    result = augmented(batch, Augment(crop="pad", pad=2), random, flips)
    np.testing.assert_array_equal(result, flipped(shifted(batch, 2, random), flips))
    assert augmented(batch, Augment(crop="none"), random, flips * False) is batch


@pytest.mark.parametrize(
    "changes",
    [
        {"crop": "middle"},
        {"pad": -1},
        {"scale": (0.0, 1.0)},
        {"scale": (0.5, 1.5)},
        {"ratio": (2.0, 1.0)},
        {"flip": 1.5},
        {"flip": "sometimes"},
        {"rand_augment": 31},
        {"rand_augment_std": -0.5},
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="augment: "):
        Augment(**changes)


@pytest.mark.parametrize(
    "changes", [{"mixup": -0.1}, {"cutmix": -1.0}, {"mix_probability": 2.0}, {"erasing": -0.5}]
)
def test_bad_settings_of_mixing_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="augment: "):
        Mix(**changes)


def test_a_batch_of_cifar_is_quick() -> None:
    batch = images(512, size=32)
    augment = Augment(crop="pad")
    best = math.inf
    for epoch in range(8):
        start = time.process_time()
        random, flips = drawn(augment, epoch, 512)
        augmented(batch, augment, random, flips)
        best = min(best, time.process_time() - start)
    assert best < 0.02  # 5 ms on a quiet core; the best of eight, with room for a busy machine


def test_inner_boxes_are_whole_pixels_of_the_centred_square() -> None:
    corners = {
        (down, right): inner_box(32, 40, 24, 0.75, numbers(1)[0] * 0 + place(down, right))
        for down in (0.0, 0.999)
        for right in (0.0, 0.999)
    }
    assert corners[0.0, 0.0] == (4, 0, 28, 24)
    assert corners[0.999, 0.999] == (12, 8, 36, 32)
    drawn_boxes = {inner_box(32, 40, 24, 0.75, row) for row in numbers(2000)}
    assert len(drawn_boxes) == 9 * 9
    assert all(float(edge).is_integer() for box in drawn_boxes for edge in box)


def place(down: float, right: float) -> np.ndarray:
    row = np.zeros(NUMBERS)
    row[DOWN], row[RIGHT] = down, right
    return row


def test_alexnets_crops_have_33_places_each_way() -> None:
    boxes = [inner_box(256, 256, 224, 0.875, row) for row in numbers(4000)]
    assert {box[0] for box in boxes} == set(range(33))


def test_the_whole_square_has_but_one_place() -> None:
    assert inner_box(8, 8, 8, 1.0, numbers(1)[0]) == (0, 0, 8, 8)


def test_magnitudes_differ_from_image_to_image() -> None:
    pytest.importorskip("torchvision")
    same = rand_augmented(images(6), 9, numbers(6))
    other = rand_augmented(images(6), 9, numbers(6), std=5.0)
    assert (same != other).any()
    np.testing.assert_array_equal(other, rand_augmented(images(6), 9, numbers(6), std=5.0))


def test_auto_augment_is_a_function_of_the_numbers() -> None:
    pytest.importorskip("torchvision")
    changed = auto_augmented(images(8), numbers(8))
    assert (changed != images(8)).any()
    np.testing.assert_array_equal(changed[3:], auto_augmented(images(8)[3:], numbers(8)[3:]))
