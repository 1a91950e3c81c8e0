"""What goes into a deployed graph and what comes out of it.

Letters  N batch, H height, W width, C channels
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError
from fleetfoot.data.preprocess import Preprocess

Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True, kw_only=True)
class GraphForm:
    """The border of a deployed graph.

    Attributes:
        layout: order of the input axes.
        preprocess: the affine step lives in the graph: input is uint8 (N, H, W, C), cropped.
        probabilities: softmax lives in the graph.
    """

    layout: Layout = "nchw"
    preprocess: bool = False
    probabilities: bool = False

    def __post_init__(self) -> None:
        if self.layout not in ("nchw", "nhwc"):
            raise DataError(f"layout {self.layout!r} is neither nchw nor nhwc")
        if self.preprocess and self.layout != "nhwc":
            raise DataError("a graph with preprocessing inside takes nhwc images")

    @property
    def dtype(self) -> str:
        """Element type of the input."""
        return "uint8" if self.preprocess else "float32"

    def shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input shape of one image, given its (C, H, W)."""
        return (*image[1:], image[0]) if self.layout == "nhwc" else image

    def prepare(self, crops_NHWC: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[Any]:
        """Return the graph's input for uint8 crops, (N, H, W, C)."""
        if self.preprocess:
            return np.ascontiguousarray(crops_NHWC)
        batch_NCHW = preprocess.normalise(crops_NHWC)
        if self.layout == "nchw":
            return batch_NCHW
        return np.ascontiguousarray(batch_NCHW.transpose(0, 2, 3, 1))

    def logits(self, output_NC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits for the graph's output; from probabilities, up to a constant a row."""
        if not self.probabilities:
            return output_NC
        return np.log(np.maximum(output_NC, np.finfo(np.float32).tiny))
