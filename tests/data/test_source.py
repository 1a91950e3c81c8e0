import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.source import ArrayReader, FileReader, rows_of


def test_readers_can_be_pickled(tmp_path: Path, noise: Callable, saved: Callable) -> None:
    (tmp_path / "a.png").write_bytes(saved(noise(0)))
    stack = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    for reader, key in ((FileReader(tmp_path), "a.png"), (ArrayReader({"s": stack}), "s#1")):
        again = pickle.loads(pickle.dumps(reader))
        np.testing.assert_array_equal(again(key), reader(key))


def test_files_are_named_by_their_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cat/a\.png: no such file$"):
        FileReader(tmp_path)("cat/a.png")


def test_rows_of_a_stack() -> None:
    rows = rows_of("s", np.array([1, 0]), names=("zero", "one"))
    assert [(row.key, row.label) for row in rows] == [("s#0", "one"), ("s#1", "zero")]
