"""Maps that lie channels last, as matrices of the same memory: what our kernels compute on.

Letters  M positions (images times places of a map), C channels
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def lies_channels_last(x: Tensor) -> bool:
    """Return whether a map (N, C, H, W) is in the processor's memory, channels last."""
    return x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)


def rows_of(x: Tensor) -> Tensor:
    """Return the map (N, C, H, W), channels last, as rows (M, C)."""
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as NumPy has it; bfloat16, which it has not, as uint16."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
