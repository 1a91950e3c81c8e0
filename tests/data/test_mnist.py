import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.mnist import read_idx, read_mnist


def idx(array: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for prefix, count in (("train", 20), ("t10k", 5)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 5 == 0))
    return folder


def test_any_of_three_folders_and_gzip(raw: Path) -> None:
    for folder in (raw, raw.parent, raw.parent.parent):
        source = read_mnist(folder)
        assert {split: len(rows) for split, rows in source.rows.items()} == {"train": 20, "test": 5}
        assert source.classes == ("0", "1")
        assert source.reader("train#3").shape == (28, 28, 3)
    for path in list(raw.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert len(read_mnist(raw).rows["train"]) == 20


def test_damage(raw: Path) -> None:
    labels = raw / "train-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"claims 20 bytes but holds 19; copy or download"):
        read_mnist(raw)
    labels.write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(DataError, match="20 train images but 19 labels"):
        read_mnist(raw)
    labels.write_bytes(b"hello")
    with pytest.raises(DataError, match="is no IDX file"):
        read_mnist(raw)
    labels.unlink()
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is missing"):
        read_mnist(raw)
    packed = gzip.compress(idx(np.zeros(20, np.uint8)))
    for damaged in (b"\x1f\x8b no", packed[:-9], packed[:12] + b"\xff" * len(packed[12:])):
        (raw / "train-labels-idx1-ubyte.gz").write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            read_mnist(raw)
    with pytest.raises(DataError, match="holds no MNIST"):
        read_mnist(raw / "elsewhere")


def test_a_claim_of_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1))
    with pytest.raises(DataError, match="copy or download it again"):
        read_idx(path, dimensions=3)


def test_the_real_one(data_dir: Path) -> None:
    source = read_mnist(data_dir / "mnist")
    assert [row.label for row in source.rows["train"][:5]] == ["5", "0", "4", "1", "9"]
    assert {split: len(rows) for split, rows in source.rows.items()} == {
        "train": 60_000,
        "test": 10_000,
    }
