"""What one call of a torch operator costs, from its arguments.

Units    elementwise work: bias 1 an output element, norm 2, other pointwise 1, pooling and means
         1 an element read, copies 0; positions of the zero padding count as full work
Source   shapes alone; a test equates these rules with the formulas of the modules
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fleetfoot.core.costs import Cost

Rule = Callable[[tuple[Any, ...], int], Cost]  # arguments, output elements


def _convolution(args: tuple[Any, ...], out: int) -> Cost:
    x, weight, bias, transposed = args[0], args[1], args[2], args[6]
    positions = x.numel() if transposed else out
    return Cost(positions * weight[0].numel(), 0 if bias is None else out)


def _window_pool(args: tuple[Any, ...], out: int) -> Cost:
    kernel = args[1]
    area = math.prod(kernel) if len(kernel) > 1 else kernel[0] ** 2
    return Cost(elementwise_ops=out * area)


REDUCTIONS = ("mean", "amax", "sum", "_adaptive_avg_pool2d", "adaptive_max_pool2d")
COPIES = ("cat", "constant_pad_nd", "flip", "im2col", "clone", "_to_copy", "copy_", "repeat")
NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training")
RULES: dict[str, tuple[str, Rule]] = {
    "convolution": ("conv", _convolution),
    "mm": ("linear", lambda args, out: Cost(out * args[0].shape[-1])),
    "bmm": ("linear", lambda args, out: Cost(out * args[0].shape[-1])),
    "addmm": ("linear", lambda args, out: Cost(out * args[1].shape[-1], out)),
    "baddbmm": ("linear", lambda args, out: Cost(out * args[1].shape[-1], out)),
    **dict.fromkeys(NORMS, ("norm", lambda args, out: Cost(elementwise_ops=2 * out))),
    "max_pool2d_with_indices": ("pool", _window_pool),
    "avg_pool2d": ("pool", _window_pool),
    **dict.fromkeys(REDUCTIONS, ("pool", lambda args, out: Cost(elementwise_ops=args[0].numel()))),
    **dict.fromkeys(COPIES, ("copy", lambda args, out: Cost())),
}


POINTWISE = ("hardswish", "hardswish_", "_prelu_kernel")  # torch does not tag them


def judge(func: Any, args: tuple[Any, ...], *, written: list[Tensor]) -> tuple[str, Cost]:
    """Return the kind of an operator and the work of this call.

    Args:
        func: the operator, a `torch._ops.OpOverload`.
        args: its positional arguments.
        written: the tensors it returned, at least one.

    Returns:
        "conv", "linear", "norm", "elementwise", "pool" or "copy" with its cost; "unknown" with an
        empty one where there is no rule.
    """
    out = written[0].numel()
    name = func._overloadpacket.__name__
    rule = RULES.get(name)
    if rule is not None:
        return rule[0], rule[1](args, out)
    if torch.Tag.pointwise in func.tags or name in POINTWISE:
        return "elementwise", Cost(elementwise_ops=out)
    return "unknown", Cost()
