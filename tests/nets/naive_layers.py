"""Layers in NumPy, written for second implementations: maps are (C, H, W), float64."""

import numpy as np

Array = np.ndarray


def conv(x: Array, weight: Array, bias: Array, *, stride: int = 1, pad: int = 0) -> Array:
    """Return a convolution with zeros around the map, one filter tap at a time."""
    side = weight.shape[2]
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    rows, columns = ((size - side) // stride + 1 for size in x.shape[1:])
    out = np.tile(bias[:, None, None], (1, rows, columns))
    for i in range(side):
        for j in range(side):
            window = x[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], window[:, :rows, :columns])
    return out


def max_pool_3_2(x: Array) -> Array:
    """Return the maximum of 3x3 windows that start at 0, 2, 4, ... and cover the whole map."""
    starts = [range(0, max(1, size - 1), 2) for size in x.shape[1:]]
    rows = [[x[:, i : i + 3, j : j + 3].max(axis=(1, 2)) for j in starts[1]] for i in starts[0]]
    return np.array(rows).transpose(2, 0, 1)


def relu(x: Array) -> Array:
    """Return the positive part."""
    return np.maximum(x, 0)
