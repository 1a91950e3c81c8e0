from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.data.augment import Augment
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.data.open_data import open_data
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split

CONTRACT = Preprocess(16, 1.0, "bilinear", (127.0,) * 3, (64.0,) * 3)


def read(key: str) -> np.ndarray:
    shape = (16, 16, 3)
    return np.random.default_rng(int(key)).integers(0, 256, shape, dtype=np.uint8)


def split_of(count: int, classes: int = 2) -> Split:
    return Split("train", tuple(Sample(i, str(i), i % classes) for i in range(count)), read)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and torch.equal(a.indices, b.indices)
        for a, b in zip(first, second)
    )


def loader(count: int = 23, batch: int = 4, **options: object) -> Loader:
    return Loader(split_of(count), CONTRACT, batch=batch, **options)


def test_a_batch() -> None:
    batch = next(loader().epoch(0))
    assert batch.images.shape == (4, 16, 16, 3)
    assert batch.images.dtype == torch.uint8
    assert batch.labels.dtype == batch.indices.dtype == torch.int64
    assert (batch.labels == batch.indices % 2).all()
    for image, index in zip(batch.images, batch.indices):
        np.testing.assert_array_equal(image.numpy(), read(str(int(index))))


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [2]), (4, [4]), (5, [4]), (9, [4, 4])])
@pytest.mark.parametrize("limit", [0, 2**30])
def test_sets_of_1_2_batch_and_batch_plus_1(count: int, sizes: list[int], limit: int) -> None:
    loads = loader(count, memory_limit_bytes=limit, augment=Augment())
    assert [len(batch.labels) for batch in loads.epoch(0)] == sizes
    assert loads.steps_per_epoch == len(sizes)
    assert sum(len(batch.labels) for batch in loads.evaluate()) == count


@pytest.mark.parametrize(
    "augment",
    [
        None,
        Augment(crop="pad", pad=2),
        Augment(flip="alternate"),
        Augment(crop="inside", colour_pca="computed"),
    ],
)
def test_memory_workers_and_resuming_make_no_difference(augment: Augment | None) -> None:
    whole = list(loader(augment=augment).epoch(3))
    assert len(whole) == 5
    for options in ({"workers": 0}, {"workers": 2}):
        streamed = loader(augment=augment, memory_limit_bytes=0, **options)
        assert not streamed.in_memory
        assert same(list(streamed.epoch(3)), whole)
        assert same(list(streamed.epoch(3, start=2)), whole[2:])
        assert same(list(streamed.evaluate()), list(loader().evaluate()))
        assert same(list(streamed.epoch(3)), whole)
    assert same(list(loader(augment=augment).epoch(3, start=4)), whole[4:])
    assert list(loader(augment=augment).epoch(3, start=5)) == []


def test_seed_and_epoch_decide() -> None:
    first = list(loader(augment=Augment()).epoch(0))
    assert same(first, list(loader(augment=Augment()).epoch(0)))
    assert not same(first, list(loader(augment=Augment()).epoch(1)))
    assert not same(first, list(loader(augment=Augment(), seed=1).epoch(0)))


def test_the_batch_size_does_not_change_what_happens_to_an_image() -> None:
    by_index = {}
    for batch in (4, 7):
        for part in loader(28, batch, augment=Augment()).epoch(2):
            for image, index in zip(part.images, part.indices.tolist()):
                assert torch.equal(by_index.setdefault(index, image), image)
    assert len(by_index) == 28


@pytest.mark.parametrize("limit", [0, 2**30])
def test_seven_ranks_ten_images_batch_three(limit: int) -> None:
    alone = list(loader(10, 3, memory_limit_bytes=limit).evaluate())
    assert torch.cat([batch.indices for batch in alone]).tolist() == list(range(10))
    ranks = [loader(10, 3, rank=rank, world=7, memory_limit_bytes=limit) for rank in range(7)]
    batches = [batch for rank in ranks for batch in rank.evaluate()]
    indices = torch.cat([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == list(range(10))
    images = torch.cat([batch.images for batch in batches])[indices.argsort()]
    assert torch.equal(images, torch.cat([batch.images for batch in alone]))


def test_ranks_train_on_one_epoch_together() -> None:
    ranks = [list(loader(25, 4, rank=rank, world=3).epoch(0)) for rank in range(3)]
    assert [len(batches) for batches in ranks] == [2, 2, 2]
    indices = torch.cat([batch.indices for batches in ranks for batch in batches]).tolist()
    assert len(set(indices)) == 24
    big = list(loader(25, 12).epoch(0))  # the same images as one process with the whole batch
    together = torch.cat([batches[1].indices for batches in ranks])
    assert torch.equal(big[1].indices, together)


def test_balanced_sampling_cuts_repeated_images_differently() -> None:
    samples = tuple(Sample(i, str(i), int(i == 0)) for i in range(20))
    balanced = Loader(
        Split("train", samples, read), CONTRACT, batch=20, augment=Augment(), weights=(1 / 19, 1.0)
    )
    batch = next(balanced.epoch(0))
    rare = batch.images[batch.indices == 0]
    assert 5 <= len(rare) <= 15
    assert len({image.numpy().tobytes() for image in rare}) == len(rare)
    resumed = Loader(balanced.split, CONTRACT, batch=5, augment=Augment(), weights=(1 / 19, 1.0))
    parts = list(resumed.epoch(0, start=2))
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images[10:])


def test_what_fits_in_memory() -> None:
    bytes_of_all = 23 * 16 * 16 * 3
    assert loader(memory_limit_bytes=bytes_of_all).in_memory
    assert not loader(memory_limit_bytes=bytes_of_all - 1).in_memory
    assert not loader(memory_limit_bytes=bytes_of_all, augment=Augment()).in_memory


@pytest.mark.parametrize("limit", [0, 2**30])
def test_the_profile(limit: int) -> None:
    loads = loader(augment=Augment(), memory_limit_bytes=limit)
    assert loads.profile.decode_ms is None
    loads.prepare()
    list(loads.epoch(0))
    profile = loads.profile
    assert profile.images == 20
    assert profile.in_memory == (limit > 0)
    assert (profile.prepare_seconds > 0) == (limit > 0)
    assert profile.decode_ms is not None
    assert profile.augment_ms is not None
    assert profile.wait_fraction is not None
    assert profile.decode_ms > 0
    assert profile.augment_ms > 0
    assert 0 <= profile.wait_fraction <= 1


def test_a_file_that_goes_away(make_folder: Callable[..., Path]) -> None:
    root = make_folder({"a": 4, "b": 4})
    data = open_data(str(root))
    (root / data.train.samples[2].key).unlink()
    for limit in (0, 2**30):
        loads = Loader(data.train, CONTRACT, batch=8, memory_limit_bytes=limit)
        with pytest.raises(DataError, match=r"00\d\.png: no such file"):
            list(loads.epoch(0))


def test_bad_settings() -> None:
    with pytest.raises(UsageError, match="batch is 0"):
        loader(batch=0)
    with pytest.raises(UsageError, match="rank is 3, must be 0 to 2"):
        loader(rank=3, world=3)
    grey = Preprocess(8, 1.0, "bilinear", (127.0,), (64.0,), channels=1)
    with pytest.raises(UsageError, match=r"these are grey: add --set augment\.colour_pca=none"):
        Loader(split_of(3), grey, batch=1, augment=Augment(colour_pca="stored"))


def test_digits_at_their_own_size() -> None:
    data = open_data("digits")
    grey = Preprocess(8, 1.0, "bilinear", (127.0,), (64.0,), channels=1)
    batch = next(iter(Loader(data.val, grey, batch=400).evaluate()))
    assert batch.images.shape == (len(data.val), 8, 8, 1)
    np.testing.assert_array_equal(batch.images[3, :, :, 0].numpy(), data.val.read(3)[:, :, 0])


@pytest.mark.parametrize("limit", [0, 2**30])
def test_photographs(data_dir: Path, limit: int) -> None:
    data = open_data(str(data_dir / "photos"))
    photo = Preprocess(64, 0.875, "bicubic", (127.0,) * 3, (128.0,) * 3)
    loads = Loader(data.val, photo, batch=16, augment=Augment(), memory_limit_bytes=limit)
    assert sum(len(batch.labels) for batch in loads.epoch(0)) == 96
    evaluated = torch.cat([batch.images for batch in loads.evaluate()])
    np.testing.assert_array_equal(evaluated[17].numpy(), photo.crop(data.val.read(17)))
