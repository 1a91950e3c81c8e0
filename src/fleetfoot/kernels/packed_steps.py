"""The steps of a network of bits: functions of arrays, whose own arrays are their fields.

Source   papers/qnn.md, "BN + sign folding at inference": the sums of a binary layer are whole
         numbers, and norm and sign behind them a threshold
Layout   maps have their channels last, (N, H, W, C); bits are bytes, as in `packed_bits`
Letters  N batch, C channels, H height, W width, O outputs, I inputs, K side of the filters
"""

# What Numba compiles is typed by what it is given.
# pyright: reportMissingParameterType=false

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fleetfoot.kernels.elements import compiled
from fleetfoot.kernels.packed_bits import (
    Bytes,
    PackedConv,
    Thresholds,
    Words,
    packed_product,
    patches,
    words_of,
)

Step = Callable[..., Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ChannelsLast:
    """Images (N, C, H, W) as maps (N, H, W, C)."""

    def __call__(self, images: Floats) -> Floats:
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


@dataclass(frozen=True)
class FloatConv:
    """Convolution of real numbers, to maps (N, H', W', O).

    Attributes:
        weight: the filters as they act, (K K C, O).
        bias: (O,).
        kernel: K.
        stride: step of the convolution.
        padding: positions on each side.
        pad_value: what lies there.
    """

    weight: Floats
    bias: Floats
    kernel: int
    stride: int
    padding: int
    pad_value: float

    def __call__(self, x: Floats) -> Floats:
        rows, (height, width) = patches(
            x,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            pad_value=self.pad_value,
            length=len(self.weight),
        )
        return (rows @ self.weight + self.bias).reshape(len(x), height, width, -1)


@dataclass(frozen=True)
class FloatLinear:
    """Linear layer of real numbers, (N, ...) to (N, O), by weights (I, O) and bias (O,)."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        return x.reshape(len(x), -1) @ self.weight + self.bias


@dataclass(frozen=True)
class PackedLinear:
    """Linear layer of packed signs, (N, ...) bytes to sums (N, O).

    Attributes:
        words: weights, (O, words), in the order of the bytes that come in.
        products: how many signs a row has.
    """

    words: Words
    products: int

    def __call__(self, bits: Bytes) -> NDArray[np.int32]:
        return packed_product(words_of(bits.reshape(len(bits), -1)), self.words, self.products)


@dataclass(frozen=True)
class MaxPool:
    """Largest numbers under each window of side K."""

    kernel: int
    stride: int

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        return _windows(x, self.kernel, self.stride).max(axis=(4, 5))


@dataclass(frozen=True)
class AveragePool:
    """Mean of the numbers under each window of side K, its stride.

    At an odd border a window of 2 has one row or column: doubled, it has the same mean.
    """

    kernel: int
    whole: bool  # windows that reach beyond the border count

    def __call__(self, x: NDArray[Any]) -> Floats:
        if self.whole:
            rests = [(0, side % 2) for side in x.shape[1:3]]
            x = np.pad(x, [(0, 0), *rests, (0, 0)], mode="edge") if any(map(max, rests)) else x
        return _windows(x, self.kernel, self.kernel).mean(axis=(4, 5), dtype=np.float32)


@dataclass(frozen=True)
class GlobalMean:
    """Mean of all positions, (N, H, W, C) to (N, C)."""

    def __call__(self, x: NDArray[Any]) -> Floats:
        return x.mean(axis=(1, 2), dtype=np.float32)


@dataclass(frozen=True)
class Affine:
    """One factor and one summand of each channel, (O,): of sums, real numbers."""

    factor: Floats
    summand: Floats

    def __call__(self, x: NDArray[Any]) -> Floats:
        out = np.empty(x.shape, np.float32)
        _affine(x.reshape(-1, x.shape[-1]), self.factor, self.summand, out.reshape(-1, x.shape[-1]))
        return out


@dataclass(frozen=True)
class AffineAdd:
    """`Affine` of the first, and the second added to it."""

    factor: Floats
    summand: Floats

    def __call__(self, x: NDArray[Any], shortcut: Floats) -> Floats:
        out, last = np.empty(x.shape, np.float32), (-1, x.shape[-1])
        _affine_add(
            x.reshape(last),
            self.factor,
            self.summand,
            np.ascontiguousarray(shortcut).reshape(last),
            out.reshape(last),
        )
        return out


@dataclass(frozen=True)
class Add:
    """The sum of two maps."""

    def __call__(self, x: Floats, y: Floats) -> Floats:
        return np.add(x, y, dtype=np.float32)


@dataclass(frozen=True)
class Clamp:
    """No number below ``low`` or above ``high``."""

    low: float
    high: float

    def __call__(self, x: Floats) -> Floats:
        return np.clip(x, np.float32(self.low), np.float32(self.high))


@dataclass(frozen=True)
class ShiftedPrelu:
    """``prelu(x + shift_in) + shift_out``, all of each channel, (C,)."""

    shift_in: Floats
    slope: Floats
    shift_out: Floats

    def __call__(self, x: Floats) -> Floats:
        out, last = np.empty(x.shape, np.float32), (-1, x.shape[-1])
        _prelu(x.reshape(last), self.shift_in, self.slope, self.shift_out, out.reshape(last))
        return out


@dataclass(frozen=True)
class Subsample:
    """Every stride-th position, and zeros for channels that are new, some of them in front."""

    stride: int
    channels: int
    front: int

    def __call__(self, x: Floats) -> Floats:
        seen = x[:, :: self.stride, :: self.stride]
        behind = self.channels - x.shape[-1] - self.front
        return np.pad(seen, [*[(0, 0)] * 3, (self.front, behind)])


@dataclass(frozen=True)
class Repeat:
    """The channels of a map so many times over, a block after a block."""

    times: int

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        return np.tile(x, (*(1,) * (x.ndim - 1), self.times))


@dataclass(frozen=True)
class Concat:
    """Channels of several maps behind each other."""

    def __call__(self, *maps: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate(maps, axis=-1)


@dataclass(frozen=True)
class FloatSigns:
    """The signs of real numbers as bytes, behind a factor and a summand of each channel."""

    factor: Floats
    summand: Floats

    def __call__(self, x: NDArray[Any]) -> Bytes:
        rows = x.reshape(-1, x.shape[-1])
        bits = np.empty((len(rows), -(-rows.shape[1] // 8)), np.uint8)
        _signs(rows, self.factor, self.summand, bits)
        return bits.reshape(*x.shape[:-1], -1)


STEPS: tuple[type[Any], ...] = (
    Add,
    Affine,
    AffineAdd,
    AveragePool,
    ChannelsLast,
    Clamp,
    Concat,
    FloatConv,
    FloatLinear,
    FloatSigns,
    GlobalMean,
    MaxPool,
    PackedConv,
    PackedLinear,
    Repeat,
    ShiftedPrelu,
    Subsample,
    Thresholds,
)


def _windows(x: NDArray[Any], side: int, stride: int) -> NDArray[Any]:
    return sliding_window_view(x, (side, side), axis=(1, 2))[:, ::stride, ::stride]


@compiled()
def _affine(x, factor, summand, out):
    for row in range(x.shape[0]):
        for channel in range(x.shape[1]):
            number = np.float32(x[row, channel])
            out[row, channel] = number * factor[channel] + summand[channel]


@compiled()
def _affine_add(x, factor, summand, shortcut, out):
    for row in range(x.shape[0]):
        for channel in range(x.shape[1]):
            number = np.float32(x[row, channel]) * factor[channel] + summand[channel]
            out[row, channel] = number + shortcut[row, channel]


@compiled()
def _prelu(x, shift_in, slope, shift_out, out):
    for row in range(x.shape[0]):
        for channel in range(x.shape[1]):
            number = x[row, channel] + shift_in[channel]
            scaled = number if number >= 0 else number * slope[channel]
            out[row, channel] = scaled + shift_out[channel]


@compiled()
def _signs(x, factor, summand, bits):
    channels = x.shape[1]
    for row in range(x.shape[0]):
        for place in range(bits.shape[1]):
            byte = 0
            for bit in range(min(8, channels - 8 * place)):
                channel = 8 * place + bit
                number = np.float32(x[row, channel]) * factor[channel] + summand[channel]
                byte |= (number < 0) << bit
            bits[row, place] = byte
