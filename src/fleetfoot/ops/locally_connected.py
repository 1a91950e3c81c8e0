"""Locally connected layer: a convolution whose filters differ from position to position.

Paper    used by Krizhevsky's networks for CIFAR-10 (cuda-convnet, layer type "local")
Departs  nowhere; stride 1, and zeros around that keep the size
Cost     H * W * O * I * K^2 multiply-adds, as the convolution; H * W times its weights
Letters  N batch, I input channels, O output channels, H height, W width, K kernel size,
         P = H * W positions, D = I * K * K numbers in a window
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, odd
from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.core.errors import ShapeError


def locally_connected(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply to each K x K window of ``x`` the filters of its position.

    Args:
        x: feature map, (N, I, H, W).
        weight: filters, (H, W, O, I * K * K) with odd K; a window is read channel by channel.
        bias: one number an output unit and position, (H, W, O).

    Returns:
        The new map, (N, O, H, W).

    Raises:
        ShapeError: the filters are for another size or another number of channels.
    """
    height, width, channels, window = weight.shape
    kernel = round((window / x.shape[1]) ** 0.5)
    if x.shape[2:] != (height, width):
        raise ShapeError(
            f"a layer of unshared filters for {height} x {width} positions "
            f"got a map of {x.shape[2]} x {x.shape[3]}"
        )
    if x.shape[1] * kernel**2 != window or kernel % 2 == 0:
        raise ShapeError(f"filters over {window} numbers do not fit {x.shape[1]} channels")
    windows_PDN = F.unfold(x, kernel, padding=kernel // 2).permute(2, 1, 0)
    out_PON = torch.bmm(weight.flatten(0, 1), windows_PDN) + bias.flatten(0, 1)[:, :, None]
    return out_PON.permute(2, 1, 0).reshape(-1, channels, height, width)


class LocallyConnected2d(nn.Module):
    """`locally_connected` with learned filters, for maps of one size only.

    Raises:
        UsageError: an even kernel size, or no channels or positions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, size: tuple[int, int], *, kernel_size: int = 3
    ) -> None:
        super().__init__()
        at_least(1, out_channels, "out_channels")
        at_least(1, min(size), "size")
        self.in_channels = at_least(1, in_channels, "in_channels")
        self.kernel_size = odd(kernel_size, "kernel_size")
        self.weight = nn.Parameter(torch.empty(*size, out_channels, in_channels * kernel_size**2))
        self.bias = nn.Parameter(torch.empty(*size, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the filters and biases as `torch.nn.Conv2d` would."""
        bound = self.weight.shape[-1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return locally_connected(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        height, width, channels, _ = self.weight.shape
        return (
            f"{self.in_channels}, {channels}, size=({height}, {width}), kernel={self.kernel_size}"
        )


@cost_formula(LocallyConnected2d)
def _locally_connected_cost(module: LocallyConnected2d, in_shape: Shape) -> Cost:
    batch = in_shape[0]
    return Cost(batch * module.weight.numel(), batch * module.bias.numel())
