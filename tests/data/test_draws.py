import numpy as np

from fleetfoot.data.draws import occurrences_of, uniforms


def test_a_function_of_its_coordinates_alone() -> None:
    every = uniforms(0, "a", 3, indices=np.arange(100), count=5)
    some = np.array([7, 99, 0, 7])
    np.testing.assert_array_equal(uniforms(0, "a", 3, indices=some, count=5), every[some])
    np.testing.assert_array_equal(uniforms(0, "a", 3, indices=some, count=2), every[some][:, :2])


def test_every_coordinate_counts() -> None:
    indices = np.arange(50)
    first = uniforms(0, "a", 3, indices=indices, count=4)
    others = [
        uniforms(1, "a", 3, indices=indices, count=4),
        uniforms(0, "b", 3, indices=indices, count=4),
        uniforms(0, "a", 4, indices=indices, count=4),
        uniforms(0, "a", 3, indices=indices, occurrences=indices * 0 + 1, count=4),
        uniforms(0, "a", 3, indices=indices + 50, count=4),
    ]
    for other in others:
        assert (first != other).all()


def test_uniform_and_uncorrelated() -> None:
    numbers = uniforms(0, "a", 0, indices=np.arange(20_000), count=6)
    assert 0 <= numbers.min() < numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(numbers.var(axis=0), 1 / 12, atol=0.002)
    histogram = np.histogram(numbers, bins=20, range=(0, 1))[0]
    np.testing.assert_allclose(histogram / numbers.size, 0.05, atol=0.002)
    correlation = np.corrcoef(numbers.T) - np.eye(6)
    assert abs(correlation).max() < 0.03
    neighbours = np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]
    epochs = np.corrcoef(
        numbers[:, 0], uniforms(0, "a", 1, indices=np.arange(20_000), count=1)[:, 0]
    )[0, 1]
    assert max(abs(neighbours), abs(epochs)) < 0.03


def test_occurrences_against_counting() -> None:
    order = np.random.default_rng(0).integers(0, 30, 500)
    expected = [int((order[:place] == order[place]).sum()) for place in range(500)]
    assert occurrences_of(order).tolist() == expected
    assert occurrences_of(np.array([], dtype=np.int64)).tolist() == []
