"""The check of networks that work at one image size: those with a weight for each position.

Source   none; it is a module so that tracing a network does not run into the check
Cost     nothing
Letters  N batch, C channels, H height, W width
"""

from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import cost_formula, free
from fleetfoot.core.errors import ShapeError


class FixedSize(nn.Module):
    """The identity on images (N, C, size, size).

    Raises:
        UsageError: a size below 1; from ``forward``, images of another size.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = at_least(1, size, "size")

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.size, self.size):
            raise ShapeError(
                f"this network takes {self.size} x {self.size} images, got "
                f"{x.shape[2]} x {x.shape[3]}: resize them, or build it with another size"
            )
        return x

    def extra_repr(self) -> str:
        return f"{self.size}"


cost_formula(FixedSize)(free)
