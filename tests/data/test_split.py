import numpy as np
import pytest

from fleetfoot.data.split import hold_out


def counts(labels: list[int], chosen: np.ndarray) -> list[int]:
    return np.bincount(np.array(labels)[chosen], minlength=max(labels) + 1).tolist()


def test_a_fifth_of_every_class() -> None:
    labels = [0] * 100 + [1] * 50 + [2] * 10
    chosen = hold_out(labels, range(160), seed=0)
    assert counts(labels, chosen) == [20, 10, 2]


def test_the_seed_decides() -> None:
    labels = [0] * 50 + [1] * 50
    first = hold_out(labels, range(100), seed=0)
    np.testing.assert_array_equal(first, hold_out(labels, range(100), seed=0))
    assert (first != hold_out(labels, range(100), seed=1)).any()


def test_the_only_image_of_a_class_stays_and_two_are_shared() -> None:
    labels = [0] * 20 + [1] + [2] * 2
    chosen = hold_out(labels, range(23), seed=0)
    assert counts(labels, chosen)[1:] == [0, 1]


@pytest.mark.parametrize("images", [5_000, 1_234])
def test_an_exact_number(images: int) -> None:
    labels = [label for label in range(10) for _ in range(5_000 + 137 * label)]
    chosen = hold_out(labels, range(len(labels)), seed=0, images=images)
    assert chosen.sum() == images
    shares = np.array(counts(labels, chosen)) / np.bincount(labels)
    np.testing.assert_allclose(shares, images / len(labels), atol=2e-4)


def test_groups_are_never_split() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 400).tolist()
    groups = generator.integers(0, 60, 400).tolist()  # groups of about seven, of mixed classes
    chosen = hold_out(labels, groups, seed=0)
    for group in set(groups):
        assert len({bool(chosen[i]) for i in range(400) if groups[i] == group}) == 1
    assert 40 <= chosen.sum() <= 80
    assert min(counts(labels, chosen)) > 0


def test_a_class_of_two_large_groups_gives_the_smaller() -> None:
    labels = [0] * 10 + [1] * 50
    groups = [0] * 6 + [1] * 4 + list(range(2, 52))
    chosen = hold_out(labels, groups, seed=0)
    assert chosen[:10].tolist() == [False] * 6 + [True] * 4


def test_one_group_of_everything_gives_nothing() -> None:
    assert not hold_out([0, 0, 1, 1], [0] * 4, seed=0).any()
    assert not hold_out([0, 1], [0, 1], seed=0).any()
