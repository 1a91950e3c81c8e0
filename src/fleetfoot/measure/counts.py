"""Exact counts of one forward pass: multiply-accumulates, elementwise work, bytes, live memory.

Method   `measure.recorder` sees every operator; nothing is estimated from module types
Units    1 MAC is a multiply and an add; FLOPs are 2 x MACs; `measure.op_rules` has the work of each
         operator. Bytes: each operator reads its inputs and writes its output once
"""

import math
from dataclasses import dataclass, fields
from functools import cached_property

from torch import nn

from fleetfoot.core.costs import Shape
from fleetfoot.measure.fusion import fused_elements
from fleetfoot.measure.memory import MemoryGraph, arena_size, least_peak, live_bytes
from fleetfoot.measure.recorder import OpRecord, record
from fleetfoot.measure.totals import Totals


@dataclass(frozen=True)
class Counts:
    """One forward pass as it was recorded, and its sums.

    Attributes:
        params: numbers in all parameters.
        batch: images in the call.
        records: every operator, in order.
        memory: the same operators as steps on buffers, for `measure.memory`.
        bytes_moved_fused: read and written if norms, activations and sums run inside the operator
            whose only reader they are.
        held_bytes: peak where a map lives as long as a variable of the program names it, as it
            does in PyTorch; what operators need for themselves comes on top.
    """

    params: int
    batch: int
    records: tuple[OpRecord, ...]
    memory: MemoryGraph
    bytes_moved_fused: int
    held_bytes: int

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates per image."""
        return sum(r.macs for r in self.records) // self.batch

    @cached_property
    def elementwise_ops(self) -> int:
        """Elementwise operations per image."""
        return sum(r.elementwise_ops for r in self.records) // self.batch

    @cached_property
    def activations(self) -> int:
        """Output elements of convolutions and linear layers, per image."""
        found = (math.prod(r.out_shapes[0]) for r in self.records if r.kind in ("conv", "linear"))
        return sum(found) // self.batch

    @cached_property
    def bytes_moved(self) -> int:
        """Read and written by all operators of the call."""
        return sum(r.bytes_moved for r in self.records)

    @cached_property
    def live_bytes(self) -> tuple[int, ...]:
        """Sum of the maps alive while each of `records` runs: the input too, parameters not."""
        return live_bytes(self.memory)

    @property
    def peak_live_bytes(self) -> int:
        """The largest of them."""
        return max(self.live_bytes, default=0)

    @cached_property
    def arena_bytes(self) -> int:
        """Of one buffer that all maps are packed into (`measure.memory`)."""
        return arena_size(self.memory)

    @cached_property
    def least_peak_bytes(self) -> int | None:
        """The smallest peak over all orders of the operators; None where it was not found."""
        return least_peak(self.memory).bytes

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Operators without a rule here; their work is missing from the sums."""
        return tuple(sorted({r.op for r in self.records if r.kind == "unknown"}))

    @property
    def totals(self) -> Totals:
        """The sums that are reported."""
        return Totals(**{field.name: getattr(self, field.name) for field in fields(Totals)})


def count(
    net: nn.Module, input_shape: Shape, *, batch: int = 1, bytes_per_element: int = 4
) -> Counts:
    """Count one forward pass of ``net`` in evaluation mode; ``net`` itself is not touched.

    Args:
        net: the network; weights of any dtype, on any device.
        input_shape: of one image, such as (3, 224, 224).
        batch: images in the call.
        bytes_per_element: 4 for float32, 2 for bfloat16, 1 for int8.
    """
    recording = record(net, (batch, *input_shape), bytes_per_element=bytes_per_element)
    return Counts(
        params=sum(parameter.numel() for parameter in net.parameters()),
        batch=batch,
        records=recording.records,
        memory=recording.memory,
        bytes_moved_fused=fused_elements(recording) * bytes_per_element,
        held_bytes=max(recording.held_bytes, default=0),
    )
