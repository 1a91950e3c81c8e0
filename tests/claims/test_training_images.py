"""Parts of data sets: every class alike, the same images every time."""

import numpy as np
import pytest

from fleetfoot.claims.training_images import (
    DATA,
    images_of,
    normalised,
    preprocess_of,
    stratified,
)


def test_classes_give_in_turns() -> None:
    labels = np.array([0] * 50 + [1] * 30 + [2] * 3)
    for count in (3, 9, 20, 83):
        chosen = stratified(labels, count)
        assert len(set(chosen)) == count
        assert chosen == sorted(chosen) == stratified(labels, count)
        numbers = np.bincount(labels[chosen], minlength=3)
        full = [50, 30, 3]
        for one in range(3):
            assert numbers[one] >= min(full[one], numbers.max() - 1)


def test_a_part_keeps_images_and_labels_together() -> None:
    whole, part = (images_of("digits", None, "train", count) for count in (None, 40))
    assert part is images_of("digits", None, "train", 40)
    assert np.bincount(part.labels).tolist() == [4] * 10
    assert [sample.index for sample in part.samples] == list(range(40))
    by_pixels = {whole.read(i).tobytes(): whole.labels[i] for i in range(len(whole))}
    assert all(by_pixels[part.read(i).tobytes()] == part.labels[i] for i in range(40))


def test_a_set_without_test_images_judges_by_the_others() -> None:
    judges = images_of("digits", None, "test", None)
    assert len(judges) == len(images_of("digits", None, "val", None)) == 359


@pytest.mark.parametrize("data", DATA)
def test_numbers_are_the_sets_own_unless_given(data: str) -> None:
    words = DATA[data]
    own = preprocess_of(data)
    assert (own.size, own.mean, own.std) == (words.size, words.mean, words.std)
    grey = preprocess_of(data, size=24, channels=1, pixels={"std": (1.0,), "crop_fraction": 0.75})
    assert (grey.size, grey.channels, grey.std, grey.crop_fraction) == (24, 1, (1.0,), 0.75)
    assert grey.mean[0] == pytest.approx(sum(words.mean) / len(words.mean))
    assert preprocess_of(data, channels=3).channels == 3


def test_network_input_is_each_image_normalised() -> None:
    pytest.importorskip("sklearn")
    split, pixels = images_of("digits", None, "test", 5), preprocess_of("digits")
    found = normalised(split, pixels, (3, 1))
    assert found.is_contiguous()
    for image, place in zip(found, (3, 1), strict=True):
        expected = (split.read(place)[None, :, :, 0].astype(float) - 78.0) / 96.0
        assert image.numpy() == pytest.approx(expected, abs=1e-6)
