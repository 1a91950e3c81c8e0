"""Numbers of +1 and -1 as bits, and their products by XOR and counting.

Source   papers/binary_kernels.md: of K products of signs, with a bit 1 for -1, the sum is
         K - 2 popcount(a ^ b). A word of zeros is +1 throughout, so that bits that fill up a row
         count nothing where both operands have them, and a border of +1 is a border of zeros
Layout   a row of K signs is ceil(K / 8) bytes, the first sign in the lowest bit, filled up to whole
         words of 64. Of a map (N, H, W, C) each position is a row of bytes; the taps of a filter
         follow each other byte by byte
Cost     2 K / 64 word operations a sum; a weight takes one bit
Letters  N batch, H height, W width, C channels, O outputs, T taps, M rows, K products of a sum
"""

# What Numba compiles is typed by what it is given.
# pyright: reportMissingParameterType=false

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.kernels.elements import compiled

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

WORD_BYTES = 8
ROWS, COLUMNS = 2, 4  # of a block of sums that are counted side by side
U64 = np.uint64
EVERY_2ND, EVERY_4TH, EVERY_8TH = (
    U64(0x5555555555555555),
    U64(0x3333333333333333),
    U64(0x0F0F0F0F0F0F0F0F),
)
EACH_BYTE = U64(0x0101010101010101)
ONE, TWO, FOUR, TOP = U64(1), U64(2), U64(4), U64(56)


def pack_bytes(x: NDArray[np.floating | np.integer], *, name: str = "x") -> Bytes:
    """Return the signs of the last axis as bytes, (..., ceil(K / 8)): 1 where ``x`` < 0.

    Raises:
        UsageError: there are values that are no numbers.
    """
    if np.issubdtype(x.dtype, np.floating) and np.isnan(x).any():
        raise UsageError(f"{name} has values that are no numbers (NaN), which have no sign")
    return np.packbits(x < 0, axis=-1, bitorder="little")


def unpack_bytes(bits: Bytes, length: int) -> NDArray[np.float32]:
    """Return the signs of bytes, (..., length), as +1 and -1."""
    ones = np.unpackbits(bits, axis=-1, count=length, bitorder="little")
    return (1 - 2 * ones.astype(np.float32)).astype(np.float32)


def words_of(rows: Bytes) -> Words:
    """Return rows of bytes as rows of words, filled up with zeros."""
    rest = -rows.shape[-1] % WORD_BYTES
    filled = np.pad(rows, [*[(0, 0)] * (rows.ndim - 1), (0, rest)])
    return np.ascontiguousarray(filled).view(np.uint64)


@register_jitable(inline="always")
def _popcount(x):
    """Return the number of ones of a word; LLVM knows this form and takes what vectors have."""
    x = x - ((x >> ONE) & EVERY_2ND)
    x = (x & EVERY_4TH) + ((x >> TWO) & EVERY_4TH)
    x = (x + (x >> FOUR)) & EVERY_8TH
    return (x * EACH_BYTE) >> TOP


@register_jitable
def _differing(a, b):
    count = U64(0)
    for word in range(len(a)):
        count += _popcount(a[word] ^ b[word])
    return count


@compiled()
def _count_differing(a, b, out):
    """Fill ``out`` (M, O) with how many bits each row of ``a`` and each of ``b`` differ in."""
    rows, columns = len(a) // 2 * 2, len(b) // 4 * 4
    for i in range(0, rows, 2):
        for j in range(0, columns, 4):
            c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = U64(0)
            for word in range(a.shape[1]):
                x0, x1 = a[i, word], a[i + 1, word]
                y0, y1, y2, y3 = b[j, word], b[j + 1, word], b[j + 2, word], b[j + 3, word]
                c00 += _popcount(x0 ^ y0)
                c01 += _popcount(x0 ^ y1)
                c02 += _popcount(x0 ^ y2)
                c03 += _popcount(x0 ^ y3)
                c10 += _popcount(x1 ^ y0)
                c11 += _popcount(x1 ^ y1)
                c12 += _popcount(x1 ^ y2)
                c13 += _popcount(x1 ^ y3)
            out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = c00, c01, c02, c03
            out[i + 1, j], out[i + 1, j + 1] = c10, c11
            out[i + 1, j + 2], out[i + 1, j + 3] = c12, c13
        for j in range(columns, len(b)):
            out[i, j], out[i + 1, j] = _differing(a[i], b[j]), _differing(a[i + 1], b[j])
    for i in range(rows, len(a)):
        for j in range(len(b)):
            out[i, j] = _differing(a[i], b[j])


def packed_product(a: Words, b: Words, products: int) -> NDArray[np.int32]:
    """Return the sums of products of signs, (M, O), of rows (M, words) and (O, words).

    Args:
        a: rows of packed signs.
        b: likewise, as many words each.
        products: K, how many of a row's bits are signs; the others are 0 in both.

    Raises:
        ShapeError: the rows have other lengths.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ShapeError(f"rows of {a.shape} and {b.shape} words cannot be multiplied")
    out = np.empty((len(a), len(b)), dtype=np.int32)
    _count_differing(a, b, out)
    return products - 2 * out


def patches(
    maps: NDArray[Any],
    *,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    pad_value: float = 0,
    length: int,
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return what lies under each place of a filter, (N H' W', length), and (H', W').

    Args:
        maps: (N, H, W, C), of any type.
        kernel: side of the filter.
        stride: step of the filter.
        padding: positions on each side.
        dilation: distance of the taps.
        pad_value: what lies there.
        length: of a row: at least kernel * kernel * C; the rest is 0.

    Raises:
        ShapeError: the filter reaches beyond the padded map.
    """
    batch, *sides, channels = maps.shape
    reach = dilation * (kernel - 1) + 1
    height, width = ((side + 2 * padding - reach) // stride + 1 for side in sides)
    if min(height, width) < 1:
        raise ShapeError(f"filters that reach over {reach} positions do not fit into the map")
    if (kernel, stride, padding, length) == (1, 1, 0, channels):
        return maps.reshape(-1, channels), (height, width)
    rows = np.empty((batch * height * width, length), maps.dtype)
    rows[:, kernel * kernel * channels :] = 0
    shaped = rows.reshape(batch, height, width, length)
    _gather(maps, shaped, kernel, stride, padding, dilation, maps.dtype.type(pad_value))
    return rows, (height, width)


@compiled()
def _gather(maps, rows, kernel, stride, padding, dilation, pad_value):
    height, width, channels = maps.shape[1:]
    for image in range(rows.shape[0]):
        for y in range(rows.shape[1]):
            for x in range(rows.shape[2]):
                row = rows[image, y, x]
                place = 0
                for ky in range(kernel):
                    v = y * stride + ky * dilation - padding
                    for kx in range(kernel):
                        u = x * stride + kx * dilation - padding
                        if 0 <= v < height and 0 <= u < width:
                            for c in range(channels):
                                row[place + c] = maps[image, v, u, c]
                        else:
                            row[place : place + channels] = pad_value
                        place += channels


@dataclass(frozen=True)
class PackedConv:
    """A convolution whose filters are bits.

    Attributes:
        words: filters, (O, words); the taps of one follow each other.
        tap_sums: sum of the signs of each tap, (O, K, K), which corrects borders.
        channels: C of the input, of one group.
        stride: step of the convolution.
        padding: positions on each side.
        dilation: distance of the taps.
        groups: the channels of input and output are split into.
        pad_value: what lies beyond the border: 0, +1 or -1.
    """

    words: Words
    tap_sums: NDArray[np.int32]
    channels: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    pad_value: int = 0
    _corrections: dict[tuple[int, int], NDArray[np.int32]] = field(
        default_factory=dict[tuple[int, int], NDArray[np.int32]], repr=False, compare=False
    )

    @staticmethod
    def of(
        weight: NDArray[np.floating],
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        pad_value: int = 0,
    ) -> "PackedConv":
        """Pack the signs of filters (O, C / groups, K, K).

        Raises:
            UsageError: a filter holds NaN, or ``pad_value`` is no border.
            ShapeError: filters are not square, or their number is no multiple of the groups.
        """
        if pad_value not in (0, 1, -1):
            raise UsageError(f"pad_value={pad_value} is not 0, 1 or -1")
        if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or len(weight) % groups:
            raise ShapeError(
                f"filters of {weight.shape} are not (O, C, K, K), O a multiple of {groups} groups"
            )
        taps_last = np.moveaxis(weight, 1, -1)  # (O, K, K, C)
        rows = pack_bytes(taps_last, name="weight").reshape(len(weight), -1)
        signs = np.where(weight < 0, -1, 1).sum(axis=1).astype(np.int32)
        return PackedConv(
            words_of(rows), signs, weight.shape[1], stride, padding, dilation, groups, pad_value
        )

    @property
    def kernel(self) -> int:
        """Side of the filters."""
        return self.tap_sums.shape[-1]

    def __call__(self, maps: Bytes) -> NDArray[np.int32]:
        """Return the sums (N, H', W', O) of packed maps (N, groups, H, W, bytes of C / groups).

        Maps of one group may lack that axis.

        Raises:
            ShapeError: they have other groups or bytes. Bytes do not say how many channels they
                hold: that they are `channels` is the caller's word.
        """
        maps = maps if maps.ndim == 5 else maps[:, None]
        _, groups, height, width, width_bytes = maps.shape
        if (groups, width_bytes) != (self.groups, -(-self.channels // 8)):
            raise ShapeError(
                f"maps of {groups} groups and {width_bytes} bytes a position meet a convolution of "
                f"{self.groups} groups of {self.channels} channels"
            )
        correction = self._correction(height, width)
        parts = np.split(self.words, groups)
        sums = [
            packed_product(self._patches(maps[:, group]), part, self.channels * self.kernel**2)
            for group, part in enumerate(parts)
        ]
        whole = sums[0] if groups == 1 else np.concatenate(sums, axis=1)
        whole = whole.reshape(-1, *correction.shape)
        return whole if self.pad_value == 1 or not self.padding else whole - correction

    def _patches(self, maps: Bytes) -> Words:
        """Return the bytes under each place of the filter as rows of words; the border is +1."""
        rows, _ = patches(
            maps,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            length=self.words.shape[1] * WORD_BYTES,
        )
        return rows.view(np.uint64)

    def _correction(self, height: int, width: int) -> NDArray[np.int32]:
        """Return what a border of +1 gives too much at each place, (H', W', O), once a size."""
        if (height, width) not in self._corrections:
            inside = np.zeros((1, height, width, 1), np.int32)
            beyond, sides = patches(
                inside,
                kernel=self.kernel,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                pad_value=1,
                length=self.kernel**2,
            )
            found = beyond @ self.tap_sums.reshape(len(self.words), -1).T
            found = found.reshape(*sides, -1)
            self._corrections[height, width] = (1 - self.pad_value) * found
        return self._corrections[height, width]


def pack_maps(x: NDArray[np.floating], *, groups: int = 1) -> Bytes:
    """Return maps (N, C, H, W) as bytes (N, groups, H, W, bytes of C / groups)."""
    batch, channels, height, width = x.shape
    if channels % groups:
        raise ShapeError(f"{groups} groups do not divide {channels} channels: give a divisor")
    split = x.reshape(batch, groups, channels // groups, height, width)
    return pack_bytes(np.moveaxis(split, 2, -1), name="maps")


def max_pool_bits(maps: Bytes, side: int, stride: int) -> Bytes:
    """Return the largest signs under each window of maps (..., H, W, bytes): bitwise AND."""
    axes = maps.ndim - 3, maps.ndim - 2
    windows = sliding_window_view(maps, (side, side), axis=axes)
    steps = [slice(None)] * windows.ndim
    steps[axes[0]] = steps[axes[1]] = slice(None, None, stride)
    return np.bitwise_and.reduce(windows[tuple(steps)], axis=(-2, -1))


@dataclass(frozen=True)
class Thresholds:
    """Norm and sign of a whole number z, for each of O channels.

    Attributes:
        least: (O,); the sign is +1 from there on.
        turned: (O,); it is -1 instead.
    """

    least: NDArray[np.int32]
    turned: NDArray[np.bool_]

    @staticmethod
    def of(positive: NDArray[np.bool_], first: int, *, step: int = 1) -> "Thresholds":
        """Find them from what the network says of every number that can come.

        Args:
            positive: whether the sign is +1, (numbers, O), of first, first + step, ...
            first: the least number.
            step: of the numbers; sums of K signs have one parity, so that 2 is enough.

        Raises:
            UsageError: a channel turns more than once, and is no threshold.
        """
        turned = positive[0] & ~positive[-1]
        rising = positive ^ turned
        count = len(positive) - rising.sum(axis=0)  # numbers below the threshold
        places = np.arange(len(positive))[:, None]
        if not np.array_equal(rising, places >= count):
            raise UsageError(
                "a norm in front of a sign turns it more than once: it is no threshold"
            )
        return Thresholds((first + step * count).astype(np.int32), turned)

    def __call__(self, sums: NDArray[np.int32]) -> Bytes:
        """Return the bits of sums (..., O) as bytes (..., ceil(O / 8)): 1 for -1."""
        return np.packbits((sums < self.least) ^ self.turned, axis=-1, bitorder="little")
