"""A network of bits as steps on arrays: no torch, and between layers packed signs alone.

Source   papers/qnn.md, "BN + sign folding at inference": the sums of a binary layer are whole
         numbers, and norm and sign behind them a threshold
Letters  N batch, C channels, H height, W width, O outputs, I inputs, K side of the filters
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fleetfoot.kernels.packed_bits import Bytes, Words, packed_product, words_of

Step = Callable[[Any], Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FirstConv:
    """Convolution of real numbers, (N, C, H, W) to sums (N, H', W', O).

    Attributes:
        weight: the filters as they act, (C K K, O).
        kernel: K.
        stride: step of the convolution.
        padding: positions on each side.
        pad_value: what lies there.
    """

    weight: Floats
    kernel: int
    stride: int
    padding: int
    pad_value: float

    def __call__(self, x: Floats) -> Floats:
        edge = (self.padding,) * 2
        padded = np.pad(x, [(0, 0), (0, 0), edge, edge], constant_values=self.pad_value)
        windows = sliding_window_view(padded, (self.kernel,) * 2, axis=(2, 3))
        windows = windows[:, :, :: self.stride, :: self.stride].transpose(0, 2, 3, 1, 4, 5)
        rows = windows.reshape(*windows.shape[:3], -1)
        return rows @ self.weight


@dataclass(frozen=True)
class FirstLinear:
    """Linear layer of real numbers, (N, ...) to sums (N, O), by its weights as they act, (I, O)."""

    weight: Floats

    def __call__(self, x: Floats) -> Floats:
        return x.reshape(len(x), -1) @ self.weight


@dataclass(frozen=True)
class MaxPool:
    """Largest sums under each window, (N, H, W, O) to (N, H', W', O)."""

    kernel: int
    stride: int

    def __call__(self, sums: NDArray[Any]) -> NDArray[Any]:
        windows = sliding_window_view(sums, (self.kernel,) * 2, axis=(1, 2))
        return windows[:, :: self.stride, :: self.stride].max(axis=(4, 5))


@dataclass(frozen=True)
class Norm:
    """Batch norm in evaluation, as one factor and one summand of each channel, (O,)."""

    factor: Floats
    summand: Floats

    def __call__(self, sums: NDArray[Any]) -> Floats:
        return sums.astype(np.float32) * self.factor + self.summand


@dataclass(frozen=True)
class FloatSigns:
    """The signs of real numbers (N, ..., O) as bytes, behind a norm: of the first layer."""

    norm: Norm

    def __call__(self, sums: Floats) -> Bytes:
        return np.packbits(self.norm(sums) < 0, axis=-1, bitorder="little")


def one_group(bits: Bytes) -> Bytes:
    """Return maps (N, H, W, bytes) as a convolution takes them, (N, 1, H, W, bytes)."""
    return bits[:, None]


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
class PackedNet:
    """Images (N, C, H, W), as the network takes them, to logits (N, classes).

    Attributes:
        steps: one after another.
        bit_bytes: of the weights that are packed.
        float_bytes: of the numbers that are not: the first layer, thresholds, norms.
    """

    steps: tuple[Step, ...]
    bit_bytes: int
    float_bytes: int

    def __call__(self, images: Floats) -> Floats:
        x: Any = images
        for step in self.steps:
            x = step(x)
        return x
