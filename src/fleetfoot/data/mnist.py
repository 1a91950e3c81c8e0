"""`mnist:DIR`: MNIST, or any set in its IDX files, plain or gzipped.

Format   http://yann.lecun.com/exdb/mnist: big-endian magic number (0, 0, type, dimensions), one
         32-bit size per dimension, then the bytes
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError
from fleetfoot.data.source import ArrayReader, Row, Source, rows_of

PARTS = {"train": "train", "test": "t10k"}
VAL_IMAGES = 5_000


def read_mnist(root: Path) -> Source:
    """Return the images in a folder of IDX files, or in ``MNIST/raw`` or ``raw`` inside it.

    Raises:
        DataError: a file is missing, damaged, or does not fit its partner.
    """
    folder = _folder(root)
    stacks: dict[str, NDArray[np.uint8]] = {}
    labels: dict[str, NDArray[np.uint8]] = {}
    for split, prefix in PARTS.items():
        stacks[split] = read_idx(_file(folder, f"{prefix}-images-idx3-ubyte"), dimensions=3)
        labels[split] = read_idx(_file(folder, f"{prefix}-labels-idx1-ubyte"), dimensions=1)
        if len(stacks[split]) != len(labels[split]):
            raise DataError(
                f"{folder}: {len(stacks[split])} {split} images but {len(labels[split])} labels"
            )
    names = tuple(str(label) for label in sorted(set(labels["train"].tolist())))
    by_label = tuple(str(label) for label in range(256))
    rows: dict[str, tuple[Row, ...]] = {
        split: rows_of(split, labels[split], names=by_label) for split in PARTS
    }
    return Source(
        name="mnist",
        rows=rows,
        reader=ArrayReader(stacks),
        classes=names,
        val_images=VAL_IMAGES,
        built_in=True,
    )


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Return the unsigned bytes in an IDX file, in its shape.

    Raises:
        DataError: another kind of file, or one that is shorter or longer than it claims.
    """
    content = _content(path)
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(f"{path}: is no IDX file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if math.prod(shape) != len(content) - start:
        raise DataError(
            f"{path}: claims {math.prod(shape)} bytes but holds {len(content) - start}; "
            "copy or download it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _folder(root: Path) -> Path:
    for folder in (root, root / "MNIST" / "raw", root / "raw"):
        if any(folder.glob("train-images*")):
            return folder
    raise DataError(f"{root}: holds no MNIST; it needs train-images-idx3-ubyte and its partners")


def _file(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise DataError(f"{folder}: {name} is missing")
