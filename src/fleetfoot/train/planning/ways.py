"""The ways in which a training step can be computed, the likely fastest first."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from fleetfoot.measure.device import computes_bfloat16
from fleetfoot.train.fused.fused_view import check_fused
from fleetfoot.train.recipe import Recipe

Precision = Literal["float32", "bfloat16"]
Layout = Literal["nchw", "nhwc"]
Kernels = Literal["torch", "fused"]


class Way(NamedTuple):
    """How the network is computed in training steps."""

    precision: Precision
    layout: Layout
    kernels: Kernels = "torch"

    def __str__(self) -> str:
        ours = ", fused kernels" if self.kernels == "fused" else ""
        return f"{self.precision} {self.layout}{ours}"


@dataclass(frozen=True)
class Cell:
    """One measured way to compute a step; `step_ms` is the fastest of `steps` without loading."""

    precision: Precision
    layout: Layout
    kernels: Kernels
    step_ms: float
    steps: int

    @property
    def way(self) -> Way:
        """What was measured."""
        return Way(self.precision, self.layout, self.kernels)


def ways_of(recipe: Recipe, *, device: str) -> list[Way]:
    """Return the ways with torch's kernels that a recipe allows, the likely fastest first.

    Channels last comes first, in bfloat16 where the device is made for it.

    Raises:
        UsageError: the recipe asks for fused kernels, which this device or layout does not have.
        MissingError: ... and Numba is absent.
    """
    precisions: list[Precision] = ["float32", "bfloat16"]
    layouts: list[Layout] = ["nhwc", "nchw"]
    if device != "cpu" or computes_bfloat16():
        precisions.reverse()
    if recipe.compute.kernels == "fused":
        asked = recipe.compute.layout
        check_fused(device=device, layout="nhwc" if asked == "auto" else asked)
        layouts = ["nhwc"]
    return [
        Way(precision, layout)
        for layout in layouts
        for precision in precisions
        if recipe.compute.precision in ("auto", precision)
        and recipe.compute.layout in ("auto", layout)
    ]
