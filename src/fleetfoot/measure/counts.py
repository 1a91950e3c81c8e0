"""Exact counts of one forward pass: multiply-accumulates, elementwise work, bytes, live memory.

Method   the network runs on meta tensors (shapes without data) in evaluation mode, and a dispatch
         mode sees every operator that torch would call; nothing is estimated from module types
Units    1 MAC is a multiply and an add; FLOPs are 2 x MACs; `measure.op_rules` has the work of each
         operator. Bytes: each operator reads its inputs and writes its output once
"""

import copy
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fleetfoot.core.costs import Shape
from fleetfoot.measure.op_rules import judge

FUSABLE = ("norm", "elementwise")
HEADS = ("conv", "linear", *FUSABLE)


@dataclass(frozen=True)
class OpRecord:
    """One operator call. Ids number the tensors of the pass; in place means a new id.

    Attributes:
        path: dotted name of the innermost module that made the call; "" is the network itself.
        kind: "conv", "linear", "norm", "elementwise", "pool" or "copy"; "unknown" is uncounted.
        op: torch's name of the operator.
        in_shapes: of every tensor read, parameters included.
        out_shapes: of every tensor written.
        in_ids: one for each of `in_shapes`.
        out_ids: one for each of `out_shapes`.
        macs: of the whole batch.
        elementwise_ops: of the whole batch.
        bytes_moved: read and written.
    """

    path: str
    kind: str
    op: str
    in_shapes: tuple[Shape, ...]
    out_shapes: tuple[Shape, ...]
    in_ids: tuple[int, ...]
    out_ids: tuple[int, ...]
    macs: int
    elementwise_ops: int
    bytes_moved: int


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
        peak_live_bytes: largest sum of tensors alive at once in the order of execution; the input
            counts, parameters do not.
        batch: images in the call.
        records: every operator, in order.
        uncounted: operators without a rule here; their work is missing from the totals.
    """

    params: int
    macs: int
    elementwise_ops: int
    activations: int
    bytes_moved: int
    bytes_moved_fused: int
    peak_live_bytes: int
    batch: int
    records: tuple[OpRecord, ...]
    uncounted: tuple[str, ...]


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
    shadow = _on_meta(net).eval()
    recorder = _Recorder(bytes_per_element)
    recorder.watch(shadow)
    x = torch.empty((batch, *input_shape), device="meta")
    recorder.name(x, is_parameter=False)
    for parameter in shadow.parameters():
        recorder.name(parameter, is_parameter=True)
    for buffer in shadow.buffers():
        recorder.name(buffer, is_parameter=True)
    with torch.no_grad(), recorder:
        result = shadow(x)
    outputs = [recorder.id_of(t) for t in tree_leaves(result) if isinstance(t, Tensor)]
    records = tuple(recorder.records)
    return Counts(
        params=sum(parameter.numel() for parameter in net.parameters()),
        macs=sum(r.macs for r in records) // batch,
        elementwise_ops=sum(r.elementwise_ops for r in records) // batch,
        activations=sum(_outputs(r) for r in records if r.kind in ("conv", "linear")) // batch,
        bytes_moved=sum(r.bytes_moved for r in records),
        bytes_moved_fused=_fused_bytes(recorder, outputs),
        peak_live_bytes=_peak_bytes(recorder, outputs),
        batch=batch,
        records=records,
        uncounted=tuple(sorted({r.op for r in records if r.kind == "unknown"})),
    )


def _outputs(record: OpRecord) -> int:
    return math.prod(record.out_shapes[0])


def _on_meta(net: nn.Module) -> nn.Module:
    """Return a copy of a network whose tensors have shapes but no data; nothing is copied."""
    memo: dict[int, Any] = {}
    for parameter in net.parameters():
        memo[id(parameter)] = nn.Parameter(_shape_of(parameter), requires_grad=False)
    for buffer in net.buffers():
        memo[id(buffer)] = _shape_of(buffer)
    return copy.deepcopy(net, memo)


def _shape_of(tensor: Tensor) -> Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return torch.empty(tensor.shape, dtype=dtype, device="meta")


@dataclass
class _Recorder(TorchDispatchMode):
    """Sees every operator; keeps the tensors alive so that no storage is met twice."""

    bytes_per_element: int
    records: list[OpRecord] = field(default_factory=list[OpRecord])
    storage_of: list[int] = field(default_factory=list[int])  # by tensor id
    elements: list[int] = field(default_factory=list[int])  # by tensor id
    parameters: set[int] = field(default_factory=set[int])  # tensor ids

    def __post_init__(self) -> None:
        super().__init__()
        self._current: dict[int, int] = {}  # storage -> id of its present content
        self._alive: list[Any] = []
        self._path: list[str] = []

    def watch(self, net: nn.Module) -> None:
        """Keep track of the module that is running."""
        for path, module in net.named_modules():
            module.register_forward_pre_hook(lambda *_, path=path: self._path.append(path))
            module.register_forward_hook(self._leave)

    def _leave(self, *_: Any) -> None:  # what a hook returns would replace the output
        self._path.pop()

    def name(self, tensor: Tensor, *, is_parameter: bool) -> int:
        """Give the present content of a tensor the next number."""
        number, key = len(self.storage_of), _storage_key(tensor)
        self._alive.append(tensor)
        self._current[key] = number
        self.storage_of.append(key)
        self.elements.append(tensor.numel())
        if is_parameter:
            self.parameters.add(number)
        return number

    def id_of(self, tensor: Tensor) -> int:
        """Return the number of a tensor, or of the tensor that it is a view of."""
        key = _storage_key(tensor)
        return self._current[key] if key in self._current else self.name(tensor, is_parameter=True)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        read = _floats((args, kwargs))
        written = _floats(result)
        if isinstance(result, tuple):  # further results (statistics, indices) serve training only
            written = written[:1]
        sources = {_storage_key(t) for t in read}
        is_view = all(_storage_key(t) in sources for t in written)
        if written and not (is_view and not func._schema.is_mutable):
            self._record(func, args, read, written)
        return result

    def _record(
        self, func: Any, args: tuple[Any, ...], read: list[Tensor], written: list[Tensor]
    ) -> None:
        kind, cost = judge(func, args, written=written)
        in_ids = tuple(self.id_of(t) for t in read)
        moved = sum(t.numel() for t in (*read, *written)) * self.bytes_per_element
        self.records.append(
            OpRecord(
                path=self._path[-1] if self._path else "",
                kind=kind,
                op=str(func),
                in_shapes=tuple(tuple(t.shape) for t in read),
                out_shapes=tuple(tuple(t.shape) for t in written),
                in_ids=in_ids,
                out_ids=tuple(self.name(t, is_parameter=False) for t in written),
                macs=cost.macs,
                elementwise_ops=cost.elementwise_ops,
                bytes_moved=moved,
            )
        )


def _storage_key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]  no public id


def _floats(tree: Any) -> list[Tensor]:
    """Return the tensors of real numbers that are not empty."""
    leaves = (t for t in tree_leaves(tree) if isinstance(t, Tensor))
    return [t for t in leaves if t.is_floating_point() and t.numel()]


def _peak_bytes(recorder: _Recorder, outputs: list[int]) -> int:
    """Return the largest sum of live storages, parameters left out."""
    size: dict[int, int] = {}
    first: dict[int, int] = {}  # step that writes a storage; the input is there from the start
    last: dict[int, int] = {}
    for number, storage in enumerate(recorder.storage_of):
        if number not in recorder.parameters:
            size[storage] = recorder.elements[number]
    for step, record in enumerate(recorder.records):
        for number in (*record.in_ids, *record.out_ids):
            last[recorder.storage_of[number]] = step
        for number in record.out_ids:
            first.setdefault(recorder.storage_of[number], step)
    for number in outputs:
        last[recorder.storage_of[number]] = len(recorder.records)
    steps = range(len(recorder.records))
    live = [sum(size[s] for s in size if first.get(s, 0) <= i <= last.get(s, -1)) for i in steps]
    return max(live, default=0) * recorder.bytes_per_element


def _fused_bytes(recorder: _Recorder, outputs: list[int]) -> int:
    """Return the bytes moved if each norm, activation or sum runs inside its producer."""
    readers = Counter(number for r in recorder.records for number in r.in_ids)
    readers.update(outputs)
    group_of: dict[int, int] = {}  # tensor id -> group of its producer, where that may be joined
    inside: dict[int, list[OpRecord]] = {}
    for step, record in enumerate(recorder.records):
        joined = [group_of[n] for n in record.in_ids if n in group_of and readers[n] == 1]
        group = joined[0] if joined and record.kind in FUSABLE else step
        inside.setdefault(group, []).append(record)
        if record.kind in HEADS:
            group_of.update((number, group) for number in record.out_ids)
    elements = sum(_crossing(records, readers) for records in inside.values())
    return elements * recorder.bytes_per_element


def _crossing(records: list[OpRecord], readers: Counter[int]) -> int:
    """Return the elements that a group of fused operators reads from and writes to memory."""
    reads = {n: math.prod(s) for r in records for n, s in zip(r.in_ids, r.in_shapes)}
    writes = {n: math.prod(s) for r in records for n, s in zip(r.out_ids, r.out_shapes)}
    consumed = Counter(n for r in records for n in r.in_ids)
    external = sum(size for n, size in reads.items() if n not in writes)
    return external + sum(size for n, size in writes.items() if readers[n] > consumed[n])
