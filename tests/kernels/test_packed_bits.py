import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fleetfoot.core.errors import ShapeError, UsageError

pytest.importorskip("numba")

from fleetfoot.kernels.packed_bits import (
    PackedConv,
    Thresholds,
    max_pool_bits,
    pack_bytes,
    pack_maps,
    packed_product,
    unpack_bytes,
    words_of,
)

CHANNELS = (1, 3, 16, 31, 32, 33, 63, 64, 65, 128)


def signs(*shape: int, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).normal(size=shape) < 0, -1, 1).astype("f4")


@pytest.mark.parametrize("length", CHANNELS)
def test_packing_keeps_signs_and_fills_with_zeros(length: int):
    x = signs(3, length)
    packed = pack_bytes(x)
    assert packed.shape == (3, -(-length // 8))
    np.testing.assert_array_equal(unpack_bytes(packed, length), x)
    words = words_of(packed)
    assert words.shape == (3, -(-length // 64))
    ones = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")
    assert ones[:, length:].sum() == 0
    np.testing.assert_array_equal(ones.sum(axis=1), (x < 0).sum(axis=1))


def test_both_zeros_are_plus_one_and_nan_has_no_sign():
    assert pack_bytes(np.array([0.0, -0.0, -1e-30, 5.0], dtype="f4")).tolist() == [0b0100]
    with pytest.raises(UsageError, match="weight has values that are no numbers"):
        pack_bytes(np.array([np.nan]), name="weight")


@pytest.mark.parametrize("length", [*CHANNELS, 1000, 4608])
@pytest.mark.parametrize("shape", [(1, 1), (2, 4), (3, 5), (7, 9)])
def test_sums_equal_the_float_product(length: int, shape: tuple[int, int]):
    rows, columns = shape
    a, b = signs(rows, length), signs(columns, length, seed=1)
    wa, wb = words_of(pack_bytes(a)), words_of(pack_bytes(b))
    found = packed_product(wa, wb, length)
    np.testing.assert_array_equal(found, a @ b.T)
    np.testing.assert_array_equal(packed_product(wb, wa, length), found.T)
    np.testing.assert_array_equal(packed_product(words_of(pack_bytes(-a)), wb, length), -found)
    assert (found % 2 == length % 2).all()


def plain(x: np.ndarray, weight: np.ndarray, *, pad_value: int, padding: int, **words: Any):
    """The float convolution of a padded image."""
    edge = (padding,) * 2
    padded = np.pad(x, ((0, 0), (0, 0), edge, edge), constant_values=pad_value)
    y = F.conv2d(torch.from_numpy(padded), torch.from_numpy(weight), **words)
    return y.numpy().transpose(0, 2, 3, 1)


CASES = [
    *(
        {"channels": c, "kernel": k, "padding": p, "pad_value": v}
        for c, k, p, v in itertools.product(CHANNELS, (1, 3), (0, 1), (0, 1, -1))
    ),
    *(
        {"channels": c, "kernel": k, "padding": p, "pad_value": v, "stride": s, "dilation": d}
        for c, k, p, v, s, d in itertools.product(
            (3, 65), (3, 5, 7), (0, 3, 8), (0, 1, -1), (2, 3), (1, 2)
        )
    ),
    *(
        {"channels": c, "kernel": 3, "padding": 1, "pad_value": v, "groups": g}
        for c, g, v in ((4, 2, 0), (66, 2, -1), (9, 3, 0), (6, 6, 1))
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_a_convolution_equals_the_float_one_to_the_integer(case: dict[str, int]):
    words = {"stride": 1, "dilation": 1, "groups": 1, **case}
    channels, kernel = words.pop("channels"), words.pop("kernel")
    side = max(13, words["dilation"] * (kernel - 1) + 1)
    x = signs(2, channels, side, side + 1)
    weight = signs(6, channels // words["groups"], kernel, kernel, seed=1)
    conv = PackedConv.of(weight, **words)
    found = conv(pack_maps(x, groups=words["groups"]))
    expected = plain(x, weight, **words)
    np.testing.assert_array_equal(found, expected)
    assert conv.words.nbytes == 6 * 8 * -(-(kernel**2) * -(-weight.shape[1] // 8) // 8)


def test_pooling_bits_is_the_sign_of_the_pooled_numbers():
    x = np.random.default_rng(0).normal(size=(2, 19, 9, 8)).astype("f4")
    pooled = F.max_pool2d(torch.from_numpy(x), 3, 2).numpy()
    np.testing.assert_array_equal(max_pool_bits(pack_maps(x), 3, 2), pack_maps(pooled))


@pytest.mark.parametrize("products", [9, 64, 147])
def test_thresholds_are_exact_over_all_integers(products: int):
    torch.manual_seed(0)
    channels = 64
    norm = torch.nn.BatchNorm2d(channels, eps=1e-4).eval()
    with torch.no_grad():
        norm.get_buffer("running_mean").normal_(0, products**0.5)
        norm.get_buffer("running_var").uniform_(0.01, products)
        norm.weight.normal_()
        norm.bias.normal_()
        norm.weight[:4] = torch.tensor([0.0, -0.0, 1e-30, -1e-30])
        norm.bias[:2] = torch.tensor([0.5, -0.5])
    z = torch.arange(-products, products + 1, 2, dtype=torch.float32)
    with torch.no_grad():
        y = norm(z[:, None].expand(-1, channels)[:, :, None, None])[..., 0, 0].numpy()
    found = Thresholds.of(y >= 0, -products, step=2)
    assert found.turned.any()
    assert not found.turned.all()
    sums = z.numpy().astype(np.int32)[:, None].repeat(channels, axis=1)
    np.testing.assert_array_equal(unpack_bytes(found(sums), channels), np.where(y >= 0, 1, -1))


def test_what_is_no_threshold_and_what_does_not_fit():
    with pytest.raises(UsageError, match="turns it more than once"):
        Thresholds.of(np.array([[True], [False], [True]]), -1)
    with pytest.raises(ShapeError, match="cannot be multiplied"):
        packed_product(np.zeros((2, 1), np.uint64), np.zeros((2, 2), np.uint64), 64)
    with pytest.raises(UsageError, match="pad_value=2 is not 0, 1 or -1"):
        PackedConv.of(signs(2, 3, 3, 3), pad_value=2)
    with pytest.raises(ShapeError, match="2 groups do not divide 3 channels"):
        pack_maps(signs(1, 3, 4, 4), groups=2)
    with pytest.raises(ShapeError, match="filters that reach over 5 positions do not fit"):
        PackedConv.of(signs(2, 3, 3, 3), dilation=2)(pack_maps(signs(1, 3, 4, 9)))
    with pytest.raises(ShapeError, match=r"not .O, C, K, K., O a multiple of 3 groups"):
        PackedConv.of(signs(4, 3, 3, 3), groups=3)
    with pytest.raises(ShapeError, match=r"not .O, C, K, K."):
        PackedConv.of(signs(4, 3, 3, 1))
    with pytest.raises(ShapeError, match="2 bytes a position meet a convolution of 1 groups of 8"):
        PackedConv.of(signs(4, 8, 3, 3))(pack_maps(signs(1, 9, 5, 5)))
    with pytest.raises(ShapeError, match="maps of 1 groups and 1 bytes a position meet"):
        PackedConv.of(signs(4, 3, 3, 3), groups=2)(pack_maps(signs(1, 6, 5, 5)))
