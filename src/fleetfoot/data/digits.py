"""`digits`: 1,797 handwritten digits, 8 x 8, grey, that come with scikit-learn."""

import numpy as np

from fleetfoot.core.errors import require
from fleetfoot.data.source import WHOLE, ArrayReader, Source, rows_of


def read_digits() -> Source:
    """Return the digits; their 17 levels of grey become 0 to 255."""
    bunch = require("sklearn.datasets", extra="train").load_digits()
    images_NHW = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    names = tuple(str(name) for name in bunch.target_names)
    return Source(
        name="digits",
        rows={WHOLE: rows_of("digits", bunch.target, names=names)},
        reader=ArrayReader({"digits": images_NHW}),
        classes=names,
        built_in=True,
    )
