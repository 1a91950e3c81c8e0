"""Convolutions whose patches do not overlap, in training, as one matrix product.

With a step as long as the filter, every position of the output has a patch of its own: laid out in
rows, ``patches_MK @ weight_OK.T``. For a filter of 1 x 1 the rows are the map itself, channels
last. Products take less time than convolutions here, and the gradient of the weights least of all
where the processor has tiles (`kernels.weight_gradient`).

Letters  M positions of the output, K numbers of a patch, O output channels, P side of a patch,
         N batch, C channels, H height, W width
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fleetfoot.kernels.amx import has_tiles
from fleetfoot.kernels.weight_gradient import transposed_product
from fleetfoot.train.fused.channels_last import as_array, lies_channels_last, rows_of
from fleetfoot.train.fused.kernel_threads import share_threads

MANY = 256  # positions from which packing them into tiles pays


class PatchProduct(nn.Module):
    """A convolution of patches, computed as a product where the map lies channels last.

    A map that is no whole number of patches is left to the convolution itself.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        side = self.conv.kernel_size[0]
        whole = x.shape[2] % side == x.shape[3] % side == 0
        if not (self.conv.training and whole and lies_channels_last(x)):
            return self.conv(x)
        return _PatchProduct.apply(x, self.conv.weight)


def has_patches(conv: nn.Conv2d) -> bool:
    """Return whether a convolution is the product computed here: square, unpadded, no bias."""
    side = conv.kernel_size[0]
    patches = conv.kernel_size == conv.stride == (side, side) and conv.padding == (0, 0)
    return patches and conv.dilation == (1, 1) and conv.groups == 1 and conv.bias is None


class _PatchProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        side = weight.shape[-1]
        weight_OK = weight.permute(0, 2, 3, 1).reshape(len(weight), -1).to(x.dtype)
        patches_MK = _patches(x, side)
        ctx.save_for_backward(patches_MK, weight_OK)
        ctx.shape, ctx.weight = x.shape, weight
        shape = (len(x), len(weight), x.shape[2] // side, x.shape[3] // side)
        out = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
        # Into a tensor of its own: a view could not be changed in place by what follows.
        torch.mm(patches_MK, weight_OK.t(), out=rows_of(out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        patches_MK, weight_OK = ctx.saved_tensors
        dy = grads[0].to(patches_MK.dtype).contiguous(memory_format=torch.channels_last)
        dy_MO = rows_of(dy)
        dx = dweight = None
        if ctx.needs_input_grad[0]:
            dx = _map_of(dy_MO @ weight_OK, ctx.shape, side=ctx.weight.shape[-1])
        if ctx.needs_input_grad[1]:
            weight = ctx.weight
            outputs, channels, side, _ = weight.shape
            dweight = _weight_gradient(dy_MO, patches_MK).to(weight.dtype)
            dweight = dweight.view(outputs, side, side, channels).permute(0, 3, 1, 2)
        return dx, dweight


def _patches(x: Tensor, side: int) -> Tensor:
    """Return the patches of a map (N, C, H, W) as rows (M, P * P * C); a copy if P is above 1."""
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).view(batch, height // side, side, width // side, side * channels)
    return rows.transpose(2, 3).reshape(-1, side * side * channels)


def _map_of(rows_MK: Tensor, shape: torch.Size, *, side: int) -> Tensor:
    """Return the map that `_patches` laid out in rows."""
    batch, channels, height, width = shape
    patches = rows_MK.view(batch, height // side, width // side, side, side * channels)
    return patches.transpose(2, 3).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _weight_gradient(dy_MO: Tensor, patches_MK: Tensor) -> Tensor:
    in_tiles = patches_MK.dtype == torch.bfloat16 and len(patches_MK) >= MANY and has_tiles()
    if not in_tiles:
        return dy_MO.t() @ patches_MK
    product = transposed_product(as_array(dy_MO), as_array(patches_MK), parts=share_threads())
    return torch.from_numpy(product)
