import numpy as np
import pytest

from fleetfoot.data.order import (
    epoch_order,
    evaluation_batches,
    steps_in_epoch,
    training_places,
)


def test_an_epoch_is_a_permutation_by_seed_and_epoch() -> None:
    labels = np.zeros(100, np.int64)
    order = epoch_order(labels, seed=0, epoch=0)
    assert sorted(order) == list(range(100))
    np.testing.assert_array_equal(order, epoch_order(labels, seed=0, epoch=0))
    assert (order != epoch_order(labels, seed=0, epoch=1)).any()
    assert (order != epoch_order(labels, seed=1, epoch=0)).any()


def test_weights_balance_classes() -> None:
    labels = np.array([0] * 9_000 + [1] * 1_000)
    order = epoch_order(labels, seed=0, epoch=0, weights=[1 / 9_000, 1 / 1_000])
    assert len(order) == 10_000
    assert abs(labels[order].mean() - 0.5) < 0.02
    assert labels[epoch_order(labels, seed=0, epoch=0, weights=[1.0, 0.0])].sum() == 0


@pytest.mark.parametrize(
    ("images", "batch", "world", "steps"),
    [(0, 4, 1, 0), (1, 4, 1, 1), (3, 4, 1, 1), (4, 4, 1, 1), (5, 4, 1, 1), (9, 4, 2, 1)],
)
def test_steps(images: int, batch: int, world: int, steps: int) -> None:
    assert steps_in_epoch(images, batch=batch, world=world) == steps


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("images", [12, 13, 25])
def test_ranks_share_an_epoch_without_overlap(images: int, world: int) -> None:
    steps = steps_in_epoch(images, batch=4, world=world)
    places = [
        training_places(step, images=images, batch=4, rank=rank, world=world)
        for step in range(steps)
        for rank in range(world)
    ]
    assert {len(place) for place in places} == {4}
    together = np.concatenate(places)
    assert together.tolist() == list(range(steps * 4 * world))


@pytest.mark.parametrize(("images", "world"), [(1, 1), (3, 1), (3, 2), (2, 7), (10, 7)])
def test_few_images_are_dealt_out_evenly(images: int, world: int) -> None:
    places = [
        training_places(0, images=images, batch=100, rank=rank, world=world)
        for rank in range(world)
    ]
    assert len({len(place) for place in places}) == 1
    assert set(np.concatenate(places).tolist()) == set(range(images))


@pytest.mark.parametrize(
    ("images", "world", "batch"), [(10, 7, 3), (10, 1, 3), (2, 7, 3), (0, 2, 3)]
)
def test_evaluation_sees_every_image_once(images: int, world: int, batch: int) -> None:
    parts = [
        indices
        for rank in range(world)
        for indices in evaluation_batches(images, batch=batch, rank=rank, world=world)
    ]
    assert all(0 < len(part) <= batch for part in parts)
    seen = sorted(index for part in parts for index in part.tolist())
    assert seen == list(range(images))
