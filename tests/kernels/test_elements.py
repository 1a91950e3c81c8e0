"""Bfloat16 as torch rounds it, for every bit pattern that is special; powers; what is kept."""

from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from numba import njit

from fleetfoot.kernels.elements import (
    FASTMATH,
    QUIET_NAN,
    compiled,
    power_of_two,
    rounded,
    to_float32,
    wide_vectors,
)


@njit(fastmath=FASTMATH)
def widen(x, out):
    for i in range(len(x)):
        out[i] = to_float32(x[i])


@njit(fastmath=FASTMATH)
def narrow(x, out):
    for i in range(len(x)):
        out[i] = rounded(x[i], out[i])


@njit
def powers(x, out):
    wide_vectors()
    for i in range(len(x)):
        out[i] = power_of_two(x[i])


def test_all_bfloat16_are_widened_to_the_bit() -> None:
    upper = np.arange(1 << 16, dtype=np.uint16)
    out = np.empty(len(upper), np.float32)
    widen(upper, out)
    np.testing.assert_array_equal(out.view(np.uint32), upper.astype(np.uint32) << 16)
    expected = torch.from_numpy(upper).view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("lower", [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
def test_every_upper_half_is_rounded_as_torch_rounds(lower: int) -> None:
    """Ties are 0x8000; with all upper halves come subnormals, overflow, infinities and NaN."""
    numbers = ((np.arange(1 << 16, dtype=np.uint32) << 16) | np.uint32(lower)).view(np.float32)
    out = np.empty(len(numbers), np.uint16)
    narrow(numbers, out)
    expected = torch.from_numpy(numbers).bfloat16().view(torch.uint16).numpy()
    is_nan = np.isnan(numbers)
    np.testing.assert_array_equal(out[~is_nan], expected[~is_nan])
    assert (out[is_nan] == QUIET_NAN).all()


def test_ties_go_to_even_and_what_is_too_large_becomes_infinite() -> None:
    numbers = np.array([1 + 1 / 256, 1 + 3 / 256, 3.4e38, -3.4e38, 1e-45], np.float32)
    out, back = np.empty(5, np.uint16), np.empty(5, np.float32)
    narrow(numbers, out)
    widen(out, back)
    assert back.tolist() == [1.0, 1 + 4 / 256, np.inf, -np.inf, 0.0]


def test_float32_passes_through() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 10_000, dtype=np.uint32)
    numbers, out = bits.view(np.float32), np.zeros((2, 10_000), np.float32)
    widen(numbers, out[0])
    narrow(numbers, out[1])
    for half in out:
        np.testing.assert_array_equal(half.view(np.uint32), bits)


def test_powers_of_two_are_exact() -> None:
    whole = np.arange(-126, 128, dtype=np.float32)
    out = np.empty_like(whole)
    powers(whole, out)
    np.testing.assert_array_equal(out, [2.0**exponent for exponent in range(-126, 128)])


def test_the_compiler_hears_of_wide_vectors() -> None:
    powers(np.zeros(1, np.float32), np.zeros(1, np.float32))
    (text,) = powers.inspect_llvm().values()
    assert '"prefer-vector-width"="512"' in text


def test_what_is_compiled_is_kept_beside_all_else_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder_of_others = numba.config.CACHE_DIR

    @compiled()
    def twice(x):
        return x + x

    assert folder_of_others == numba.config.CACHE_DIR
    assert twice(2.0) == 4.0
    (folder,) = (tmp_path / "fleetfoot" / "kernels").iterdir()  # of this state of the kernels
    assert list(folder.rglob("*.nbi"))
