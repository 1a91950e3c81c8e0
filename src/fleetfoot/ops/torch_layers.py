"""Cost formulas of the torch.nn layers that our networks are made of.

Shapes include the batch axis; the cost is that of one call in evaluation mode. Elementwise work:
bias 1 a output element, batch norm 2, activation 1, pooling 1 an element read.

Source   the usual convention: positions of the zero padding count as full work
Letters  N batch, C channels, H height, W width
"""

import math

from torch import nn

from fleetfoot.core.costs import Cost, Shape, cost_formula, free, per_element


def conv_out_size(
    size: int, *, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False
) -> int:
    """Return the positions along one axis of a convolution's or pool's output.

    >>> conv_out_size(224, kernel=3, stride=2, padding=1)
    112
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return room // stride + 1
    out = -(-room // stride) + 1
    return out - ((out - 1) * stride >= size + padding)  # a window may not start in the padding


@cost_formula(nn.Conv2d)
def conv_cost(module: nn.Conv2d, in_shape: Shape) -> Cost:
    """Return the cost of a convolution."""
    batch, _, height, width = in_shape
    padding = (0, 0) if module.padding == "valid" else module.padding
    if isinstance(padding, str):
        rows, columns = height, width  # "same", which torch allows at stride 1 only
    else:
        rows, columns = (
            conv_out_size(
                size,
                kernel=module.kernel_size[axis],
                stride=module.stride[axis],
                padding=padding[axis],
                dilation=module.dilation[axis],
            )
            for axis, size in enumerate((height, width))
        )
    outputs = batch * rows * columns * module.out_channels
    per_output = module.weight[0].numel()
    return Cost(outputs * per_output, 0 if module.bias is None else outputs)


@cost_formula(nn.Linear)
def linear_cost(module: nn.Linear, in_shape: Shape) -> Cost:
    """Return the cost of a linear layer."""
    outputs = math.prod(in_shape[:-1]) * module.out_features
    return Cost(outputs * module.in_features, 0 if module.bias is None else outputs)


_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish)
_MORE_ACTIVATIONS = (nn.Hardsigmoid, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.Mish)
for _kind in (*_ACTIVATIONS, *_MORE_ACTIVATIONS, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d):
    cost_formula(_kind)(per_element(1))
for _kind in (nn.Identity, nn.Dropout, nn.Flatten, nn.Unflatten):
    cost_formula(_kind)(free)
cost_formula(nn.BatchNorm2d)(per_element(2))
cost_formula(nn.BatchNorm1d)(per_element(2))


@cost_formula(nn.MaxPool2d)
@cost_formula(nn.AvgPool2d)
def _pool_cost(module: nn.MaxPool2d | nn.AvgPool2d, in_shape: Shape) -> Cost:
    batch, channels, height, width = in_shape
    kernel, stride, padding = (
        _pair(v) for v in (module.kernel_size, module.stride, module.padding)
    )
    outputs = batch * channels
    for axis, size in enumerate((height, width)):
        outputs *= conv_out_size(
            size,
            kernel=kernel[axis],
            stride=stride[axis],
            padding=padding[axis],
            ceil=module.ceil_mode,
        )
    return Cost(elementwise_ops=outputs * kernel[0] * kernel[1])


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value
