import numpy as np

from fleetfoot.data.samples import Data, Sample, Split


def split(name: str) -> Split:
    samples = (Sample(0, "a", 2), Sample(1, "b", 0))
    return Split(name, samples, lambda key: np.full((2, 2, 3), ord(key), np.uint8))


def test_a_split() -> None:
    train = split("train")
    assert len(train) == 2
    assert train.labels.dtype == np.int64
    assert train.labels.tolist() == [2, 0]
    assert train.read(1)[0, 0, 0] == ord("b")


def test_the_splits_there_are() -> None:
    data = Data("s", "n", ("x", "y", "z"), split("train"), split("val"), None, held_out=True)
    assert list(data.splits) == ["train", "val"]
