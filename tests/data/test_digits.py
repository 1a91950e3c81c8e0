import numpy as np

from fleetfoot.data.digits import read_digits
from fleetfoot.data.source import WHOLE


def test_all_digits_in_full_range() -> None:
    source = read_digits()
    rows = source.rows[WHOLE]
    assert len(rows) == 1797
    assert source.classes == tuple("0123456789")
    images = np.stack([source.reader(row.key) for row in rows])
    assert images.shape == (1797, 8, 8, 3)
    assert (images.min(), images.max()) == (0, 255)
    assert len(np.unique(images)) == 17
