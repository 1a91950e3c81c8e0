"""Batch norm and activation in one sweep over a map, forward and backward, on processors.

Both are bound by memory: every intermediate map costs a write and a read of its own. Two sweeps
forward (moments; the result) and two backward (sums; the input's gradient) are what the algebra
needs, and what is done here; only the input is kept in between.

before   normalised = (x - mean) / std;  y = act(weight * normalised + bias)
forward  y = act(scale * x + shift)       with scale = weight / std, shift = bias - mean * scale
backward g = dy * act'(scale * x + shift);  dx = scale * g + a * x + b, with a and b by channel
         from the sums of g and of g * (x - mean); g waits in the memory of dx

Paper    Ioffe and Szegedy, 2015, arXiv:1502.03167, section 3, algorithm 1 and the gradients below
Letters  M positions (images times places of the map), C channels, B blocks of positions
"""

# What Numba compiles is typed by what it is given.
# pyright: reportMissingParameterType=false

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fleetfoot.kernels.activations import ACTIVATIONS
from fleetfoot.kernels.elements import compiled, rounded, to_float32, wide_vectors

Elements = NDArray[Any]
"""Float32, or bfloat16 as uint16."""

# Positions that are summed in float32 before they go into float64; also what a thread takes at a
# time, so that a result does not depend on the number of threads.
BLOCK = 256
ORIGIN = 64  # positions, about, that say where the mean is


class Kernels(NamedTuple):
    """The sweeps that depend on the activation."""

    forward: Any
    gradient: Any


@compiled(parallel=True, fastmath=True)
def _moment_sums(x, origin):
    positions, channels = x.shape
    blocks = (positions + BLOCK - 1) // BLOCK
    sums_B2C = np.empty((blocks, 2, channels), np.float32)
    for block in prange(blocks):
        wide_vectors()
        first, second = sums_B2C[block, 0], sums_B2C[block, 1]
        first[:] = 0
        second[:] = 0
        for i in range(block * BLOCK, min(positions, block * BLOCK + BLOCK)):
            for j in range(channels):
                distance = to_float32(x[i, j]) - origin[j]
                first[j] += distance
                second[j] += distance * distance
    return sums_B2C


def moments(x_MC: Elements) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and biased variance of each channel, (C,) each.

    Sums run over distances from the mean of a few positions: a mean far from zero costs no digits.
    """
    some = x_MC[:: max(len(x_MC) // ORIGIN, 1)]
    origin_C = as_float32(some).mean(axis=0, dtype=np.float64).astype(np.float32)
    sums_B2C = _moment_sums(x_MC, origin_C)
    first_C, second_C = sums_B2C.astype(np.float64).sum(axis=0) / len(x_MC)
    return first_C + origin_C, np.maximum(second_C - first_C * first_C, 0.0)


def as_float32(numbers: Elements) -> NDArray[np.float32]:
    """Return elements as numbers that NumPy knows."""
    if numbers.dtype == np.float32:
        return numbers
    return (numbers.astype(np.uint32) << 16).view(np.float32)


@compiled(parallel=True, fastmath=True)
def finish_gradient(x, scale, a, b, g):
    """Turn the gradient behind the norm into that in front of it, in place."""
    positions, channels = x.shape
    for block in prange((positions + BLOCK - 1) // BLOCK):
        wide_vectors()
        for i in range(block * BLOCK, min(positions, block * BLOCK + BLOCK)):
            for j in range(channels):
                dx = to_float32(g[i, j]) * scale[j] + to_float32(x[i, j]) * a[j] + b[j]
                g[i, j] = rounded(dx, g[i, j])


@functools.cache
def kernels_of(activation: str) -> Kernels:
    """Return the sweeps for an activation's name; the first call with arrays of a kind compiles.

    ``forward(x_MC, scale_C, shift_C, out_MC)``;
    ``gradient(x_MC, dy_MC, scale_C, shift_C, mean_C, g_MC)`` returns the two sums as (B, 2, C),
    over blocks of positions.
    """
    value, slope = ACTIVATIONS[activation]

    @compiled(parallel=True, fastmath=True)
    def forward(x, scale, shift, out):
        positions, channels = x.shape
        for block in prange((positions + BLOCK - 1) // BLOCK):
            wide_vectors()
            for i in range(block * BLOCK, min(positions, block * BLOCK + BLOCK)):
                for j in range(channels):
                    y = value(to_float32(x[i, j]) * scale[j] + shift[j])
                    out[i, j] = rounded(y, out[i, j])

    @compiled(parallel=True, fastmath=True)
    def gradient(x, dy, scale, shift, mean, g):
        positions, channels = x.shape
        blocks = (positions + BLOCK - 1) // BLOCK
        sums_B2C = np.empty((blocks, 2, channels), np.float32)
        for block in prange(blocks):
            wide_vectors()
            first, second = sums_B2C[block, 0], sums_B2C[block, 1]
            first[:] = 0
            second[:] = 0
            for i in range(block * BLOCK, min(positions, block * BLOCK + BLOCK)):
                for j in range(channels):
                    number = to_float32(x[i, j])
                    behind = to_float32(dy[i, j]) * slope(number * scale[j] + shift[j])
                    g[i, j] = rounded(behind, g[i, j])
                    first[j] += behind
                    second[j] += behind * (number - mean[j])
        return sums_B2C

    return Kernels(forward, gradient)
