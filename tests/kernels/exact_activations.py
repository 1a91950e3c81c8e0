"""What the kernels' activations have to equal: torch's, by the kernels' names."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

EXACT: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x.clone(),
    "relu": F.relu,
    "relu6": F.relu6,
    "hardswish": F.hardswish,
    "gelu": F.gelu,
    "silu": F.silu,
}
