"""Every operator of one forward pass, recorded without computing anything.

Method   the network runs on meta tensors (shapes without data), and a dispatch mode sees every
         operator that torch would call; nothing is estimated from module types. What is
         computed from parameters alone, such as the signs of binary weights, is one for all images:
         it counts as a parameter, and its computing as nothing
"""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fleetfoot.core.costs import Shape
from fleetfoot.measure.memory import MemoryGraph, Step
from fleetfoot.measure.op_rules import judge


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
class Recording:
    """One forward pass.

    Attributes:
        records: every operator, in order.
        output_ids: of the tensors that the network returns.
        memory: the same operators as steps on buffers; a view is the buffer that it looks at.
        held_bytes: of the maps that variables of the program name while each operator runs, so
            that they are not freed, needed or not; the input is held throughout.
    """

    records: tuple[OpRecord, ...]
    output_ids: tuple[int, ...]
    memory: MemoryGraph
    held_bytes: tuple[int, ...]


def record(net: nn.Module, input_shape: Shape, *, bytes_per_element: int = 4) -> Recording:
    """Record one forward pass of ``net`` in evaluation mode; ``net`` itself is not touched.

    Args:
        net: the network; weights of any dtype, on any device.
        input_shape: of the whole batch, such as (1, 3, 224, 224).
        bytes_per_element: of all maps and parameters.
    """
    shadow = _on_meta(net).eval()
    recorder = _Recorder(bytes_per_element)
    recorder.watch(shadow)
    x = torch.empty(input_shape, device="meta")
    recorder.name(x, is_parameter=False)
    for tensor in (*shadow.parameters(), *shadow.buffers()):
        recorder.name(tensor, is_parameter=True)
    with torch.no_grad(), recorder:
        result = shadow(x)
    outputs = tuple(recorder.id_of(t) for t in tree_leaves(result) if isinstance(t, Tensor))
    held = tuple(bytes_per_element * elements for elements in recorder.held)
    return Recording(tuple(recorder.records), outputs, recorder.memory(outputs), held)


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
    """Sees every operator; holds no tensor, so that the program's own variables decide."""

    bytes_per_element: int
    records: list[OpRecord] = field(default_factory=list[OpRecord])
    storage_of: list[int] = field(default_factory=list[int])  # by tensor id
    elements: list[int] = field(default_factory=list[int])  # of its storage, by tensor id
    parameters: set[int] = field(default_factory=set[int])  # tensor ids
    held: list[int] = field(default_factory=list[int])  # elements that variables name, by record

    def __post_init__(self) -> None:
        super().__init__()
        self._current: dict[int, int] = {}  # storage -> id of its present content
        self._storages: dict[int, StorageWeakRef] = {}  # kept: no storage is met twice
        self._named: dict[int, int] = {}  # storage -> its elements, while a variable names it
        self._path: list[str] = []
        self._fixed: set[int] = set()  # storages that no image changes

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
        self._current[key] = number
        self._storages.setdefault(key, StorageWeakRef(tensor.untyped_storage()))
        self.storage_of.append(key)
        self.elements.append(tensor.untyped_storage().nbytes() // tensor.element_size())
        if is_parameter:
            self.parameters.add(number)
            self._fixed.add(key)
        else:
            self._named[key] = self.elements[-1]
        return number

    def id_of(self, tensor: Tensor) -> int:
        """Return the number of a tensor, or of the tensor that it is a view of."""
        key = _storage_key(tensor)
        return self._current[key] if key in self._current else self.name(tensor, is_parameter=True)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._is_fixed((args, kwargs), result):
            return result
        read = _values((args, kwargs))
        written = _values(result)
        if isinstance(result, tuple):  # further results (statistics, indices) serve training only
            written = written[:1]
        sources = {_storage_key(t) for t in read}
        is_view = all(_storage_key(t) in sources for t in written)
        if written and not (is_view and not func._schema.is_mutable):
            self._record(func, args, read, written)
        return result

    def _is_fixed(self, given: Any, result: Any) -> bool:
        """Return whether an operator read parameters alone; what it made then counts as one."""
        reads, writes = _tensors(given), _tensors(result)
        fixed = bool(reads) and all(_storage_key(t) in self._fixed for t in reads)
        for tensor in writes:
            key = _storage_key(tensor)
            if not fixed:
                self._fixed.discard(key)
            elif key not in self._fixed:
                self.name(tensor, is_parameter=True)
        return fixed

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
        self._named = {s: n for s, n in self._named.items() if not self._storages[s].expired()}
        self.held.append(sum(self._named.values()))

    def memory(self, output_ids: tuple[int, ...]) -> MemoryGraph:
        """Return the operators as steps on buffers; parameters are left out."""
        width, storages = self.bytes_per_element, self.storage_of
        maps = [n for n in range(len(storages)) if n not in self.parameters]
        number = {storage: i for i, storage in enumerate(dict.fromkeys(storages[n] for n in maps))}
        sizes = {number[storages[n]]: self.elements[n] * width for n in maps}

        def buffers(ids: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(dict.fromkeys(number[storages[n]] for n in ids if storages[n] in number))

        steps = tuple(Step(buffers(r.in_ids), buffers(r.out_ids)) for r in self.records)
        made = {n for step in steps for n in step.writes}
        inputs = tuple(n for n in sizes if n not in made)
        return MemoryGraph(steps, sizes, inputs, buffers(output_ids))


def _storage_key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]  no public id


def _values(tree: Any) -> list[Tensor]:
    """Return the tensors of real numbers, or of what is true, that are not empty."""
    kinds = (t for t in _tensors(tree) if t.is_floating_point() or t.dtype == torch.bool)
    return [t for t in kinds if t.numel()]


def _tensors(tree: Any) -> list[Tensor]:
    return [t for t in tree_leaves(tree) if isinstance(t, Tensor)]
