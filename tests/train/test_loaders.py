import pytest
import tiny_run as tiny

from fleetfoot.train.loaders import open_loaders


def loaders(**changes):
    return open_loaders(tiny.data(), tiny.recipe(**changes), preprocess=tiny.PREPROCESS, workers=0)


def test_one_size_serves_the_whole_run():
    made = loaders()
    assert made.train_at(0.0) is made.train_at(0.99) is made.train
    assert made.shares() == [(made.train, 1.0)]


def test_sizes_change_with_the_first_epoch_behind_their_share():
    made = loaders(sizes=((0.0, 12), (0.5, 16), (0.9, 24)))
    sides = [made.train_at(epoch / 10).preprocess.size for epoch in range(10)]
    assert sides == [12] * 5 + [16] * 4 + [24]
    assert [share for _, share in made.shares()] == pytest.approx([0.5, 0.4, 0.1])
    assert next(made.train_at(0.6).epoch(0)).images.shape == (8, 16, 16, 3)
    assert next(made.val.evaluate()).images.shape[1] == tiny.SIZE


def test_images_of_every_size_come_in_the_same_order():
    made = loaders(sizes=((0.0, 12), (0.5, 16)))
    first, second = (next(loader.epoch(3)).indices for loader, _ in made.shares())
    assert (first == second).all()
