"""Response normalisation over space: divide each number by the energy around it in its own map.

Source   cuda-convnet, layer type "rnorm": a / (k + alpha / size^2 * sum of a^2 in a window)^beta
Departs  nowhere; windows at the border sum fewer squares and divide by size^2 all the same
Cost     size^2 + 5 elementwise operations an element
Letters  N batch, C channels, H height, W width
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import odd
from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.ops.local_response_norm import check_constants


def spatial_response_norm(
    x: Tensor, *, size: int = 3, alpha: float = 5e-5, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Normalise each channel by itself; keeps (N, C, H, W).

    Args:
        x: feature map.
        size: side of the window, odd.
        alpha: weight of the mean square in the window.
        beta: power of the denominator.
        k: its constant.

    Raises:
        UsageError: an even window.
    """
    odd(size, "size")
    mean_square = F.avg_pool2d(x * x, size, stride=1, padding=size // 2)
    return x * (mean_square * alpha + k).pow(-beta)


class SpatialResponseNorm(nn.Module):
    """`spatial_response_norm` with fixed constants.

    Raises:
        UsageError: an even window, or a power or constant that is not positive.
    """

    def __init__(
        self, size: int = 3, *, alpha: float = 5e-5, beta: float = 0.75, k: float = 1.0
    ) -> None:
        super().__init__()
        check_constants("spatial response norm", alpha=alpha, beta=beta, k=k)
        self.size = odd(size, "size")
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        return spatial_response_norm(x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


@cost_formula(SpatialResponseNorm)
def _spatial_response_norm_cost(module: SpatialResponseNorm, in_shape: Shape) -> Cost:
    batch, channels, height, width = in_shape
    return Cost(elementwise_ops=batch * channels * height * width * (module.size**2 + 5))
