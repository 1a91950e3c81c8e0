import numpy as np

from fleetfoot.data.decode import Header
from fleetfoot.data.duplicates import exact_groups, gradient_hash
from fleetfoot.data.samples import Facts

HEADER = Header(width=8, height=8, mode="RGB", format="PNG", orientation=1)


def test_the_hash_against_numpy() -> None:
    cells = np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8)
    pixels = np.repeat(cells.repeat(8, axis=0).repeat(8, axis=1)[:, :, None], 3, axis=2)
    falls = [row[place + 1] < row[place] for row in cells for place in range(8)]
    bits = "".join("1" if fall else "0" for fall in falls)
    assert gradient_hash(pixels) == int(bits, 2)


def test_exact_groups_are_of_equal_pixels_and_of_nothing_unknown() -> None:
    found = {
        key: Facts(HEADER, digest) for key, digest in zip("abcde", ["x", "y", "x", None, None])
    }
    assert exact_groups(found) == [["a", "c"]]
