"""The gradient of a pointwise convolution's weights, in the tiles of AMX.

``a.T @ b`` over very many positions: both matrices lie with positions as rows, the wrong way round
for a product, and library kernels spend more time on turning them than on multiplying. Here a chunk
of positions is packed into tiles in the second-level cache, and every pair of tiles is used from
there.

Letters  M positions, R channels of a, N channels of b, P parts of the positions
"""

# What Numba compiles is typed by what it is given.
# pyright: reportMissingParameterType=false

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from fleetfoot.core.errors import UsageError
from fleetfoot.kernels import amx
from fleetfoot.kernels.elements import compiled, wide_vectors

Bits = NDArray[np.uint16]
"""Bfloat16."""

CHANNELS = 32  # of both matrices that are multiplied at a time: two tiles each way
STEP = 32  # positions that one tile product adds up
CACHE_BYTES = 1 << 20  # for the packed chunks of a thread
TILE = 256  # numbers of 32 bits in a tile


def transposed_product(a_MR: Bits, b_MN: Bits, *, parts: int) -> NDArray[np.float32]:
    """Return ``a.T @ b``, float32 (R, N), with sums in float32.

    Args:
        a_MR, b_MN: bfloat16, contiguous.
        parts: of the positions, for as many threads; the order of the sums depends on it alone.

    Raises:
        UsageError: there are no tiles (`amx.has_tiles`).
    """
    if not amx.has_tiles():
        raise UsageError("this processor, or Numba's target, has no AMX tiles for bfloat16")
    positions, rows = a_MR.shape
    columns = b_MN.shape[1]
    if rows > columns:  # the first one is turned, which takes longer
        return transposed_product(b_MN, a_MR, parts=parts).T
    share = _up(-(-positions // parts), STEP)
    tall, wide = _up(rows, CHANNELS), _up(columns, CHANNELS)
    chunk = min(max(CACHE_BYTES // (2 * (tall + wide)) // STEP, 4) * STEP, share)
    sums_PRN = np.empty((parts, tall, wide), np.float32)
    turned = np.empty((parts, tall * chunk // 2), np.uint32)
    paired = np.empty((parts, wide * chunk // 2), np.uint32)
    _multiply(a_MR, b_MN, share, chunk, turned, paired, sums_PRN, amx.whole_tiles())
    return sums_PRN[:, :rows, :columns].sum(axis=0)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@compiled(parallel=True)
def _multiply(a, b, share, chunk, turned, paired, sums, layout):
    parts, tall, wide = sums.shape
    stride = wide * 4
    for part in prange(parts):
        amx.configure(layout.ctypes.data)
        end = min((part + 1) * share, len(a))
        result = sums[part].ctypes.data
        left, right = turned[part].ctypes.data, paired[part].ctypes.data
        for start in range(part * share, max(end, part * share + 1), chunk):
            steps = (min(chunk, max(end - start, 0)) + STEP - 1) // STEP
            _pack_turned(a, start, end, steps, turned[part])
            _pack_paired(b, start, end, steps, paired[part])
            for r in range(0, tall, CHANNELS):
                for n in range(0, wide, CHANNELS):
                    corner = result + np.uint64(r * stride + n * 4)
                    below = corner + np.uint64(16 * stride)
                    if start == part * share:
                        amx.zero0()
                        amx.zero1()
                        amx.zero2()
                        amx.zero3()
                    else:
                        amx.load0(corner, stride)
                        amx.load1(corner + np.uint64(64), stride)
                        amx.load2(below, stride)
                        amx.load3(below + np.uint64(64), stride)
                    first = left + np.uint64(r // 16 * steps * 1024)
                    third = right + np.uint64(n // 16 * steps * 1024)
                    panel = np.uint64(steps * 1024)
                    for step in range(steps):
                        offset = np.uint64(step * 1024)
                        amx.load4(first + offset, 64)
                        amx.load6(third + offset, 64)
                        amx.dot046()
                        amx.load7(third + panel + offset, 64)
                        amx.dot147()
                        amx.load5(first + panel + offset, 64)
                        amx.dot256()
                        amx.dot357()
                    amx.store0(corner, stride)
                    amx.store1(corner + np.uint64(64), stride)
                    amx.store2(below, stride)
                    amx.store3(below + np.uint64(64), stride)
        amx.release()


@compiled()
def _pack_paired(x, start, end, steps, packed):
    """Fill tiles of pairs of positions by channels: [channels / 16, steps, 16 pairs, 16]."""
    wide_vectors()
    channels, stride = x.shape[1], x.strides[0]
    source, target = x.ctypes.data, packed.ctypes.data
    for pair in range(steps * 16):
        for panel in range((channels + 15) // 16):
            row, place = start + 2 * pair, (panel * steps * 16 + pair) * 16
            # The last numbers of a panel may be those of the next positions, but not beyond all.
            if row + 1 < end and (row + 1) * channels + panel * 16 + 16 <= x.size:
                address = source + np.uint64(row * stride + panel * 32)
                amx.pack_pairs(target + np.uint64(place * 4), address, address + np.uint64(stride))
            else:
                for n in range(16):
                    packed[place + n] = _pair(x, row, end, panel * 16 + n)


@compiled()
def _pack_turned(x, start, end, steps, packed):
    """Fill tiles of channels by pairs of positions: [channels / 16, steps, 16, 16 pairs]."""
    wide_vectors()
    channels, stride = x.shape[1], x.strides[0]
    source, target = x.ctypes.data, packed.ctypes.data
    for step in range(steps):
        for panel in range((channels + 15) // 16):
            row, place = start + step * STEP, (panel * steps + step) * TILE
            last = row + STEP - 1
            if last < end and last * channels + panel * 16 + 16 <= x.size:
                address = source + np.uint64(row * stride + panel * 32)
                amx.pack_turned(target + np.uint64(place * 4), address, stride)
            else:
                for k in range(16):
                    for n in range(16):
                        packed[place + n * 16 + k] = _pair(x, row + 2 * k, end, panel * 16 + n)


@njit
def _pair(x, row, end, channel):
    """Return two positions of a channel as one number of 32 bits; zero beyond the matrix."""
    if channel >= x.shape[1]:
        return np.uint32(0)
    low = np.uint32(x[row, channel]) if row < end else np.uint32(0)
    high = np.uint32(x[row + 1, channel]) if row + 1 < end else np.uint32(0)
    return np.uint32(low | (high << np.uint32(16)))
