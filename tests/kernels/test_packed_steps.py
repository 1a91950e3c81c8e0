import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("numba")

from fleetfoot.kernels.packed_bits import unpack_bytes
from fleetfoot.kernels.packed_steps import (
    Affine,
    AffineAdd,
    AveragePool,
    FloatConv,
    FloatSigns,
    MaxPool,
    Repeat,
    ShiftedPrelu,
    Subsample,
)
from fleetfoot.ops.repeat_conv import tile
from fleetfoot.ops.zero_shortcut import zero_shortcut

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 7, 6, 11)).astype("f4")
A, B, C = RNG.normal(size=(3, 11)).astype("f4")


def torch_of(maps: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(maps)).permute(0, 3, 1, 2)


def same(found: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pad_value", [0.0, 1.0])
def test_convolutions_of_real_numbers(kernel: int, stride: int, pad_value: float):
    padding = kernel - 1
    weight = torch.from_numpy(RNG.normal(size=(5, 11, kernel, kernel)).astype("f4"))
    bias = torch.from_numpy(RNG.normal(size=5).astype("f4"))
    rows = weight.permute(2, 3, 1, 0).reshape(-1, 5).numpy()
    step = FloatConv(rows, bias.numpy(), kernel, stride, padding, pad_value)
    padded = F.pad(torch_of(MAPS), (padding,) * 4, value=pad_value)
    same(step(MAPS), F.conv2d(padded, weight, bias, stride=stride))


def test_numbers_of_channels():
    np.testing.assert_allclose(Affine(A, B)(MAPS), MAPS * A + B, rtol=1e-5, atol=1e-6)
    whole = np.arange(22, dtype=np.int32).reshape(1, 1, 2, 11)
    np.testing.assert_allclose(Affine(A, B)(whole), whole * A + B, rtol=1e-5, atol=1e-6)
    both = AffineAdd(A, B)(MAPS, MAPS[::-1])
    np.testing.assert_allclose(both, MAPS * A + B + MAPS[::-1], rtol=1e-5, atol=1e-6)
    x = torch_of(MAPS) + torch.from_numpy(A).view(1, -1, 1, 1)
    expected = F.prelu(x, torch.from_numpy(B)) + torch.from_numpy(C).view(1, -1, 1, 1)
    same(ShiftedPrelu(A, B, C)(MAPS), expected)


def test_signs_of_numbers():
    bits = FloatSigns(A, B)(MAPS)
    assert bits.shape == (2, 7, 6, 2)
    np.testing.assert_array_equal(unpack_bytes(bits, 11), np.where(MAPS * A + B < 0, -1, 1))
    zeros = FloatSigns(np.ones(3, "f4"), np.zeros(3, "f4"))(np.array([[0.0, -0.0, -1e-30]], "f4"))
    assert zeros.tolist() == [[0b100]]


def test_windows():
    same(MaxPool(3, 2)(MAPS), F.max_pool2d(torch_of(MAPS), 3, 2))
    for whole in (False, True):
        expected = F.avg_pool2d(torch_of(MAPS), 2, ceil_mode=whole)
        same(AveragePool(2, whole)(MAPS), expected)
    for front, centred in ((0, False), (2, True)):
        expected = zero_shortcut(torch_of(MAPS), channels=16, stride=2, centred=centred)
        same(Subsample(2, 16, front)(MAPS), expected)
    same(Repeat(3)(MAPS), tile(torch_of(MAPS), 3))
