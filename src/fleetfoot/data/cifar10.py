"""`cifar10:DIR`: CIFAR-10 as train and test Parquet, or as the original python batches.

The original batches are pickles. They are read by an unpickler that builds NumPy arrays, numbers,
strings and containers and nothing else: any other name in the file is refused, so no code runs.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError
from fleetfoot.data.source import ArrayReader, Source, rows_of
from fleetfoot.data.tables import read_parquet_splits

VAL_IMAGES = 5_000
PIXELS = 3 * 32 * 32
BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
NAMES = ("airplane", "automobile", *ANIMALS, "ship", "truck")

_reconstruct: Any = np.empty(0).__reduce__()[0]  # the constructor that array pickles name


def read_cifar10(root: Path) -> Source:
    """Return the images in a folder of Parquet files or of python batches.

    Raises:
        DataError: neither is there, or a file is damaged or holds anything but arrays.
    """
    for folder in (root, root / "cifar-10-batches-py"):
        if (folder / "data_batch_1").is_file():
            return _read_batches(folder)
    files = {split: sorted(root.rglob(f"{split}*.parquet")) for split in BATCHES}
    for split, paths in files.items():
        if not paths:
            raise DataError(
                f"{root}: holds no CIFAR-10: neither {split}.parquet nor "
                f"{BATCHES[split][0]} is there"
            )
    return read_parquet_splits(
        root, files, name="cifar10", val_images=VAL_IMAGES, default_classes=NAMES
    )


def _read_batches(folder: Path) -> Source:
    stacks: dict[str, NDArray[np.uint8]] = {}
    labels: dict[str, NDArray[np.int64]] = {}
    for split, files in BATCHES.items():
        batches = [_read_batch(folder / file) for file in files]
        planes_NCHW = np.concatenate([images for images, _ in batches]).reshape(-1, 3, 32, 32)
        stacks[split] = np.ascontiguousarray(planes_NCHW.transpose(0, 2, 3, 1))
        labels[split] = np.concatenate([batch_labels for _, batch_labels in batches])
    return Source(
        name="cifar10",
        rows={split: rows_of(split, labels[split], names=NAMES) for split in BATCHES},
        reader=ArrayReader(stacks),
        classes=NAMES,
        val_images=VAL_IMAGES,
        built_in=True,
    )


def _read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        content = load_arrays(path.read_bytes())
        images = content[b"data"] if b"data" in content else content["data"]
        labels = np.asarray(content.get(b"labels", content.get("labels")), dtype=np.int64)
        if images.dtype != np.uint8 or images.shape != (len(labels), PIXELS):
            raise ValueError(f"data is {images.dtype} {images.shape}")
        if not ((labels >= 0) & (labels < len(NAMES))).all():
            raise ValueError("a label is not between 0 and 9")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the CIFAR-10 folder is incomplete") from None
    except Exception as error:  # a damaged pickle raises anything
        raise DataError(f"{path}: is no CIFAR-10 batch ({error})") from error
    return images, labels


def load_arrays(content: bytes) -> Any:
    """Return the arrays and plain values in a pickle; nothing in it can run.

    Raises:
        pickle.UnpicklingError: the pickle names anything but NumPy's array constructors.
    """
    return _ArraysOnly(io.BytesIO(content), encoding="bytes").load()


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _encode_latin1,
        }
        if (module_name, global_name) not in allowed:
            raise pickle.UnpicklingError(f"it calls {module_name}.{global_name}, refused")
        return allowed[module_name, global_name]


def _encode_latin1(text: str | bytes, encoding: str | bytes) -> bytes:
    # How Python 3 writes bytes in the old protocol.
    if encoding not in ("latin1", b"latin1") or not isinstance(text, str):
        raise pickle.UnpicklingError("bytes in another encoding than latin1")
    return text.encode("latin1")
