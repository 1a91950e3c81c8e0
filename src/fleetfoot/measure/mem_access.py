"""Memory access of convolutions, and the least that the same work needs.

A convolution of c1 to c2 channels with k x k filters in g groups on a map of h x w reads and writes
h w (c1 + c2) + k^2 c1 c2 / g elements. For B = k^2 h w c1 c2 / g multiply-accumulates this is at
least 2 sqrt(h w B g) / k + B / (h w), and that much exactly when c1 = c2.

Papers   Ma et al., ShuffleNetV2, 2018, arXiv:1807.11164, guideline G1 (k = 1);
         Lee et al., VoVNet, 2019, arXiv:1904.09730, section 2.1
Departs  the papers call it MAC, which here is a multiply-accumulate. Both have stride 1; where the
         maps differ in size the bound is reached when they hold equally many elements
Units    elements, not bytes; biases and paddings are left out
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fleetfoot.measure.recorder import OpRecord


@dataclass(frozen=True)
class ConvAccess:
    """One convolution of a network, or the sum of several.

    Attributes:
        path: dotted name of its module; "" of a sum.
        macs: of the whole batch.
        elements: of its input, its filters and its output.
        least: what the same work on the same maps would access with other channels, at best.
    """

    path: str
    macs: int
    elements: int
    least: float

    @property
    def excess(self) -> float:
        """`elements` over `least`; 1 where input and output are balanced."""
        return self.elements / self.least


def mem_access(
    in_channels: int,
    out_channels: int,
    *,
    height: int,
    width: int,
    kernel_size: int = 1,
    groups: int = 1,
) -> int:
    """Return the elements that a convolution of stride 1 accesses.

    >>> mem_access(64, 64, height=56, width=56)  # 1x1
    405504
    """
    filters = kernel_size**2 * in_channels * out_channels // groups
    return height * width * (in_channels + out_channels) + filters


def least_mem_access(
    macs: int, *, height: int, width: int, kernel_size: int = 1, groups: int = 1
) -> float:
    """Return the fewest elements that a convolution of stride 1 with this many MACs can access.

    >>> least_mem_access(56 * 56 * 64 * 64, height=56, width=56)
    405504.0
    """
    area = height * width
    return 2 * math.sqrt(area * macs * groups) / kernel_size + macs / area


def conv_access(records: Iterable[OpRecord]) -> tuple[ConvAccess, ...]:
    """Return the memory access of every convolution among the records, in order.

    The number of filters' elements is fixed by the work and the positions; so is the product of
    the elements of input and output, whose sum is least where they are equal.
    """
    return tuple(_conv_access(record) for record in records if record.kind == "conv")


def total_access(records: Iterable[OpRecord], calls: int = 1) -> ConvAccess | None:
    """Return the sums over all convolutions among the records; None if there is none.

    Args:
        records: of the whole pass.
        calls: that they are made of; the sums are of one.
    """
    found = conv_access(records)
    if not found:
        return None
    return ConvAccess(
        path="",
        macs=sum(conv.macs for conv in found) // calls,
        elements=sum(conv.elements for conv in found) // calls,
        least=sum(conv.least for conv in found) / calls,
    )


def _conv_access(conv: OpRecord) -> ConvAccess:
    maps_in, filters = (math.prod(shape) for shape in conv.in_shapes[:2])
    maps_out = math.prod(conv.out_shapes[0])
    return ConvAccess(
        path=conv.path,
        macs=conv.macs,
        elements=maps_in + maps_out + filters,
        least=2 * math.sqrt(maps_in * maps_out) + filters,
    )
