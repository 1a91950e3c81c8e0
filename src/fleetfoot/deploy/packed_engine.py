"""The engine of binary networks: signs packed in bits, on NumPy and Numba, one thread, no torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import UsageError, require
from fleetfoot.core.seeds import rng

if TYPE_CHECKING:
    from fleetfoot.kernels.packed_net import PackedNet

PRECISION = "w1a1"


class PackedEngine:
    """A packed network; its kernels are compiled on the first machine's first call, then kept.

    Raises:
        UsageError: another precision than `PRECISION`.
        MissingError: Numba is not installed.
        DataError: the file is missing or damaged.
    """

    engine = "packed"
    input_dtype = "float32"
    threads = 1

    def __init__(self, path: Path, *, precision: str) -> None:
        if precision != PRECISION:
            raise UsageError(f"packed has no {precision}; it has {PRECISION}")
        require("numba", extra="kernels")
        from fleetfoot.kernels.packed_net import load_packed

        self.precision = precision
        self._net: PackedNet = load_packed(path)
        self.input_shape = (None, *self._net.image)
        self.outputs = self._net.outputs

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        return self._net(batch)

    @property
    def actual_precision(self) -> str:
        """Products of signs are counted; what is left in real numbers is float32."""
        return self.precision

    @property
    def note(self) -> str:
        """Bytes of the weights, and where the time goes."""
        image = rng("packed note").standard_normal((1, *self._net.image), dtype=np.float32)
        bits, floats = self._net.bit_bytes, self._net.float_bytes
        return (
            f"weights {bits / 1e6:.3g} MB in bits and {floats / 1e6:.3g} MB in float32; "
            f"{self._net.float_share(image):.0%} of the time in float layers"
        )
