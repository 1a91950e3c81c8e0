import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.cifar10 import NAMES, load_arrays, read_cifar10

FILES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in FILES:
        content = {
            b"batch_label": name.encode(),
            b"labels": list(range(10)),
            b"data": generator.integers(0, 256, (10, 3072), dtype=np.uint8),
            b"filenames": [b"a.png"] * 10,
        }
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder


def test_original_batches(batches: Path) -> None:
    for folder in (batches, batches.parent):
        source = read_cifar10(folder)
        assert {split: len(rows) for split, rows in source.rows.items()} == {
            "train": 50,
            "test": 10,
        }
    content = pickle.loads((batches / "data_batch_2").read_bytes())
    planes = content[b"data"][3].reshape(3, 32, 32)
    np.testing.assert_array_equal(source.reader("train#13"), planes.transpose(1, 2, 0))
    assert source.rows["train"][13].label == NAMES[3] == "cat"


class Attack:
    """Calls a function when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_batch_cannot_run_code(batches: Path, protocol: int) -> None:
    proof = batches / "ran"
    content = {b"data": Attack(proof), b"labels": []}
    (batches / "data_batch_1").write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(DataError, match=r"data_batch_1: is no CIFAR-10 batch \(it calls .*mkdir"):
        read_cifar10(batches)
    assert not proof.exists()


def test_object_arrays_cannot_smuggle(tmp_path: Path) -> None:
    array = np.array([Attack(tmp_path / "ran")], dtype=object)
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        load_arrays(pickle.dumps(array, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        load_arrays(b"cbuiltins\neval\n(S'1'\ntR.")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        {b"labels": [0]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.float32), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]},
        [1, 2],
    ],
)
def test_other_pickles_are_refused(batches: Path, content: object) -> None:
    (batches / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DataError, match="test_batch: is no CIFAR-10 batch"):
        read_cifar10(batches)


def test_incomplete_folders(batches: Path, tmp_path: Path) -> None:
    path = batches / "data_batch_4"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="data_batch_4"):
        read_cifar10(batches)
    path.unlink()
    with pytest.raises(DataError, match="data_batch_4: no such file; the CIFAR-10 folder is inc"):
        read_cifar10(batches)
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=r"neither train\.parquet nor data_batch_1 is there"):
        read_cifar10(tmp_path / "other")


def test_parquet(data_dir: Path) -> None:
    source = read_cifar10(data_dir / "cifar10")
    assert source.classes == NAMES
    assert len(source.rows["train"]) == 50_000
    assert len(source.rows["test"]) == 10_000
    assert source.reader("test#9999").shape == (32, 32, 3)
