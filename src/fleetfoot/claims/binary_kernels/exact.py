"""Products of signs by counting bits: every form gives the same whole numbers.

Paper    papers of the kernels: Courbariaux, Hubara et al., 2016, arXiv:1602.02830; Bannink et al.,
         "Larq Compute Engine", MLSys 2021, arXiv:2011.09398; Zhang et al., "daBNN", 2019,
         arXiv:1908.05858
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_most
from fleetfoot.core.seeds import rng

LENGTHS = (1, 3, 16, 31, 32, 33, 63, 64, 65, 128, 1000)
ROWS, COLUMNS = 7, 9
Words = NDArray[np.uint64]
Form = Callable[[Words, Words, int], NDArray[np.int64]]


def signs(*shape: int) -> NDArray[np.float32]:
    """Return +1 and -1 in equal parts, a function of the shape."""
    return np.where(rng("signs", *shape).standard_normal(shape) < 0, -1, 1).astype(np.float32)


def by_and(a: Words, b: Words, length: int) -> NDArray[np.int64]:
    """Return K - 2 |a| - 2 |b| + 4 |a & b|, the form of tensor cores for single bits."""
    both = np.bitwise_count(a[:, None] & b).sum(axis=-1, dtype=np.int64)
    ones = [np.bitwise_count(x).sum(axis=-1, dtype=np.int64) for x in (a, b)]
    return length - 2 * ones[0][:, None] - 2 * ones[1] + 4 * both


def by_xnor(a: Words, b: Words, length: int) -> NDArray[np.int64]:
    """Return 2 |~(a ^ b)| - K; bits that fill up the last word are counted as equal ones."""
    return 2 * np.bitwise_count(~(a[:, None] ^ b)).sum(axis=-1, dtype=np.int64) - length


def by_kernel(a: Words, b: Words, length: int) -> NDArray[np.int64]:
    """Return what our kernel does: K - 2 |a ^ b|."""
    from fleetfoot.kernels.packed_bits import packed_product

    return packed_product(a, b, length).astype(np.int64)


@measured
def different_sums(_: Setting, *forms: Form) -> Measurement:
    """Return how many sums of some forms are not those of whole numbers of 64 bits."""
    from fleetfoot.kernels.packed_bits import pack_bytes, words_of

    rows: list[dict[str, int]] = []
    for length in LENGTHS:
        a, b = signs(ROWS, length), signs(COLUMNS, length)
        exact = a.astype(np.int64) @ b.astype(np.int64).T
        packed = [words_of(pack_bytes(x)) for x in (a, b)]
        wrong = sum(int((form(packed[0], packed[1], length) != exact).sum()) for form in forms)
        rows.append({"length": length, "sums": exact.size * len(forms), "different": wrong})
    return Measurement(value=float(sum(row["different"] for row in rows)), table=tuple(rows))


@measured
def border_differences(_: Setting, *, corrected: bool = True) -> Measurement:
    """Return how many sums of packed convolutions with a border of zeros differ from torch's.

    Args:
        corrected: what the border of +1 gives too much is taken off.
    """
    from fleetfoot.kernels.packed_bits import PackedConv, pack_maps

    rows: list[dict[str, int]] = []
    for kernel, padding, stride in ((3, 1, 1), (3, 1, 2), (5, 2, 1), (7, 3, 2), (1, 1, 1)):
        x, weight = signs(2, 33, 9, 8), signs(6, 33, kernel, kernel)
        border = 0 if corrected else 1
        conv = PackedConv.of(weight, stride=stride, padding=padding, pad_value=border)
        found = conv(pack_maps(x)).transpose(0, 3, 1, 2)
        tensors = torch.from_numpy(x), torch.from_numpy(weight)
        expected = F.conv2d(*tensors, stride=stride, padding=padding).numpy()
        wrong = int((found != expected).sum())
        rows.append({"kernel": kernel, "padding": padding, "stride": stride, "different": wrong})
    return Measurement(value=float(sum(row["different"] for row in rows)), table=tuple(rows))


EXACT = at_cpu("as published")
CLAIMS = (
    Claim(
        id="binarykernels/forms-agree",
        paper="arXiv:1602.02830, section 4; arXiv:2011.09398",
        sentence="Products of signs by XOR or AND and counting are those of the numbers, exactly.",
        protocol="Rows of 1 to 1000 signs around the borders of words; our kernel and the AND form "
        "against products in whole numbers.",
        unit="sums that differ",
        paper_value=0.0,
        measure=different_sums(by_kernel, by_and),
        rule=at_most(0.0, 0.0),
        control=Control(
            "XNOR, which counts the bits that fill up a word as equal", different_sums(by_xnor)
        ),
        **EXACT,
    ),
    Claim(
        id="binarykernels/zero-border",
        paper="arXiv:2011.09398, padding correction",
        sentence="A border of zeros, which are no signs, can be had exactly by counting it as +1 "
        "and taking off what that gives too much.",
        protocol="Convolutions of 1 to 7 positions with borders of 1 to 3, strides 1 and 2, "
        "against torch's on the same signs.",
        unit="sums that differ",
        paper_value=0.0,
        measure=border_differences(),
        rule=at_most(0.0, 0.0),
        control=Control("nothing is taken off", border_differences(corrected=False)),
        **EXACT,
    ),
)
