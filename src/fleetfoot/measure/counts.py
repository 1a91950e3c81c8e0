"""Exact counts of one forward pass: multiply-accumulates, elementwise work, bytes, live memory.

Method   `measure.recorder` sees every operator; nothing is estimated from module types
Units    1 MAC is a multiply and an add; FLOPs are 2 x MACs; `measure.op_rules` has the work of each
         operator. Bytes: each operator reads its inputs and writes its output once
"""

import math
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from fleetfoot.core.costs import Shape
from fleetfoot.measure.fusion import fused_elements
from fleetfoot.measure.memory import MemoryGraph, arena_size, least_peak, live_bytes
from fleetfoot.measure.recorder import OpRecord, record


@dataclass(frozen=True)
class Counts:
    """Totals of one forward pass.

    Attributes:
        params: numbers in all parameters.
        macs: multiply-accumulates per image.
        elementwise_ops: elementwise operations per image.
        activations: output elements of convolutions and linear layers, per image.
        bytes_moved: read and written by all operators of one call with `batch` images.
        bytes_moved_fused: the same if norms, activations and sums run inside the operator whose
            only reader they are.
        live_bytes: sum of the maps alive while each of `records` runs; the input counts,
            parameters do not.
        peak_live_bytes: the largest of them.
        arena_bytes: of one buffer that all maps are packed into (`measure.memory`).
        held_bytes: peak where a map lives as long as a variable of the program names it, as it
            does in PyTorch; what operators need for themselves comes on top.
        batch: images in the call.
        records: every operator, in order.
        memory: the same operators as steps on buffers, for `measure.memory`.
        uncounted: operators without a rule here; their work is missing from the totals.
    """

    params: int
    macs: int
    elementwise_ops: int
    activations: int
    bytes_moved: int
    bytes_moved_fused: int
    live_bytes: tuple[int, ...]
    peak_live_bytes: int
    arena_bytes: int
    held_bytes: int
    batch: int
    records: tuple[OpRecord, ...]
    memory: MemoryGraph
    uncounted: tuple[str, ...]

    @cached_property
    def least_peak_bytes(self) -> int | None:
        """The smallest peak over all orders of the operators; None where it was not found."""
        return least_peak(self.memory).bytes


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
    records, live = recording.records, live_bytes(recording.memory)
    return Counts(
        params=sum(parameter.numel() for parameter in net.parameters()),
        macs=sum(r.macs for r in records) // batch,
        elementwise_ops=sum(r.elementwise_ops for r in records) // batch,
        activations=sum(_outputs(r) for r in records if r.kind in ("conv", "linear")) // batch,
        bytes_moved=sum(r.bytes_moved for r in records),
        bytes_moved_fused=fused_elements(recording) * bytes_per_element,
        live_bytes=live,
        peak_live_bytes=max(live, default=0),
        arena_bytes=arena_size(recording.memory),
        held_bytes=max(recording.held_bytes, default=0),
        batch=batch,
        records=records,
        memory=recording.memory,
        uncounted=tuple(sorted({r.op for r in records if r.kind == "unknown"})),
    )


def _outputs(record: OpRecord) -> int:
    return math.prod(record.out_shapes[0])
