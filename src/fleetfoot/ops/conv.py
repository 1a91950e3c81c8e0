"""Convolution, normalisation, activation: the unit that most networks repeat.

Departs  it is a function that returns a plain `torch.nn.Sequential`, not a class: the tracer looks
         through it, so that a rewrite sees the convolution and the norm as nodes of their own
Letters  N batch, C channels, H height, W width
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from fleetfoot.core.arguments import above_zero, at_least, odd, one_of
from fleetfoot.core.errors import ShapeError
from fleetfoot.ops.same_pad import SamePad2d


def relu() -> nn.Module:
    """Return a rectifier that works in place."""
    return nn.ReLU(inplace=True)


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    groups: int = 1,
    act: Callable[[], nn.Module] | None = nn.ReLU,
    padding: str = "symmetric",
    eps: float = 1e-5,
) -> nn.Sequential:
    """Return ``conv`` (no bias), ``norm`` (batch norm) and ``act`` under these names.

    Args:
        in_channels: C of the input map (N, C, H, W).
        out_channels: C of the output.
        kernel_size: side of the filters.
        stride: step of the convolution.
        groups: ``in_channels`` makes it depthwise.
        act: makes the activation; None leaves it out.
        padding: "symmetric" is (kernel_size - 1) // 2 on each side; "same" is TensorFlow's, a
            `SamePad2d` called ``pad`` in front wherever the two differ (stride above 1).
        eps: of the batch norm.

    Raises:
        ShapeError: groups that do not divide.
        UsageError: no channels or stride, an even kernel, another word for ``padding``, or an
            ``eps`` that is not positive.
    """
    at_least(1, in_channels, "in_channels")
    at_least(1, out_channels, "out_channels")
    at_least(1, stride, "stride")
    odd(kernel_size, "kernel_size")
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ShapeError(
            f"{groups} groups do not divide {in_channels} and {out_channels} channels: "
            "give a divisor of both"
        )
    above_zero(eps, "eps")
    one_of(padding, ("symmetric", "same"), "padding")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    needs_pad = padding == "same" and stride > 1
    if needs_pad:
        layers["pad"] = SamePad2d(kernel_size, stride)
    layers["conv"] = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=0 if needs_pad else (kernel_size - 1) // 2,
        groups=groups,
        bias=False,
    )
    layers["norm"] = nn.BatchNorm2d(out_channels, eps=eps)
    if act is not None:
        layers["act"] = act()
    return nn.Sequential(layers)
