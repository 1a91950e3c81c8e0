"""Products in tiles against NumPy in float64, for every kind of edge, and nothing read beyond."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from fleetfoot.kernels import amx
from fleetfoot.kernels.norm_act import as_float32
from fleetfoot.kernels.weight_gradient import transposed_product

pytestmark = pytest.mark.skipif(not amx.has_tiles(), reason="this processor has no tiles")

# The matrices end where the memory does: a page behind it may be neither read nor written.
GUARDED = """
import ctypes, mmap
import numpy as np
from fleetfoot.kernels import amx
from fleetfoot.kernels.weight_gradient import transposed_product

assert amx.has_tiles()
protect = ctypes.CDLL(None, use_errno=True).mprotect
protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

def at_the_end(positions, channels):
    size = positions * channels * 2
    whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, whole + mmap.PAGESIZE)
    bytes_ = np.frombuffer(memory, np.uint8)
    assert protect(bytes_.ctypes.data + whole, mmap.PAGESIZE, 0) == 0
    matrix = bytes_[whole - size : whole].view(np.uint16).reshape(positions, channels)
    matrix[:] = 0x3F80  # one
    return matrix

for positions in (1, 2, 31, 32, 33, 64, 257):
    for rows, columns in ((1, 1), (5, 40), (7, 3), (8, 8), (16, 16), (40, 97), (9, 31)):
        a, b = at_the_end(positions, rows), at_the_end(positions, columns)
        assert (transposed_product(a, b, parts=2) == positions).all(), (positions, rows, columns)
print("done")
"""


def bits(positions: int, channels: int, *, seed: int) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=(positions, channels))
    return torch.from_numpy(numbers).bfloat16().view(torch.uint16).numpy()


def close(found: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Compare with the exact product, up to the rounding of sums in float32."""
    left, right = as_float32(a).astype(np.float64), as_float32(b).astype(np.float64)
    assert found.shape == (a.shape[1], b.shape[1])
    assert found.dtype == np.float32
    assert (abs(found - left.T @ right) <= 1e-6 * (abs(left).T @ abs(right))).all()


@pytest.mark.parametrize("positions", [1, 31, 32, 33, 257, 5000])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_is_the_product(positions: int, parts: int) -> None:
    sizes = (1, 5, 16, 40, 80, 97)
    matrices = {size: bits(positions, size, seed=size) for size in sizes}
    for rows in sizes:
        for columns in sizes:
            a, b = matrices[rows], matrices[columns]
            close(transposed_product(a, b, parts=parts), a, b)


def test_many_chunks_add_up() -> None:
    """Two matrices of 1000 channels leave room for few positions at a time."""
    a, b = bits(1000, 1000, seed=0), bits(1000, 1001, seed=1)
    close(transposed_product(a, b, parts=2), a, b)


def test_turned_matrices_give_the_turned_product() -> None:
    a, b = bits(300, 40, seed=0), bits(300, 70, seed=1)
    found = transposed_product(a, b, parts=2)
    np.testing.assert_array_equal(found, transposed_product(b, a, parts=2).T)


def test_what_was_in_memory_does_not_leak_in() -> None:
    """Workspace is not cleared: what is left of NaN would be NaN in every sum."""
    for positions, rows, columns in [(33, 5, 16), (70, 40, 97), (257, 16, 33), (1, 1, 1)]:
        nan = [np.full((positions, size), 0xFFFF, np.uint16) for size in (rows, columns)]
        a, b = bits(positions, rows, seed=0), bits(positions, columns, seed=1)
        for _ in range(3):
            assert np.isnan(transposed_product(*nan, parts=2)).all()
            close(transposed_product(a, b, parts=2), a, b)


def test_nan_and_infinity_stay_in_their_channels() -> None:
    a, b = bits(100, 20, seed=0), bits(100, 36, seed=1)
    a[50, 7], b[99, 33] = 0x7FC0, 0x7F80
    product = transposed_product(a, b, parts=2)
    wrong = np.zeros(product.shape, bool)
    wrong[7], wrong[:, 33] = True, True
    np.testing.assert_array_equal(~np.isfinite(product), wrong)


def test_nothing_is_read_beyond_the_last_row() -> None:
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True)
    assert done.stdout == "done\n", f"{done.returncode}: {done.stderr}"
