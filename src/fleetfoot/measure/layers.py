"""One point of the roofline per layer: each layer timed alone, on the input it gets in the network.

A layer that is timed alone finds its data in the caches where they fit. So its roof is that of the
level which holds what it reads and writes, not always that of memory; and the times of the layers
add up to less than the network takes: copies and sums between them, and cold caches, are missing.

An activation in place overwrites its input. Called again and again on it, SiLU would soon work on
denormals and zeros, so such a layer gets its input again before each call, outside the time.
"""

import copy
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from fleetfoot.core.costs import Shape
from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import Counts, count
from fleetfoot.measure.device import device_profile
from fleetfoot.measure.latency import Block, Schedule, measure_blocks, timed_block
from fleetfoot.measure.mem_access import total_access
from fleetfoot.measure.roofline import Ceilings, operator_ms
from fleetfoot.measure.torch_settings import denormals_flushed, torch_threads

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
QUICK = Schedule(min_samples=50, min_seconds=0.1, rounds=5, warm_up_seconds=0.2, max_seconds=2.0)


@dataclass(frozen=True, kw_only=True)
class LayerPoint:
    """One layer: what it costs, how long it takes, how near it comes to its roof.

    Attributes:
        path: dotted name of the module.
        kind: of its operator with most work, such as "conv"; see `recorder.OpRecord`.
        macs: of one call with the whole batch.
        bytes_moved: by its operators in one call.
        ms: median time of one call.
        gflops: 2 x MACs / time.
        intensity: FLOPs per byte moved.
        level: where its data lie: "L2", "L3" or "memory".
        roof_fraction: shortest time that the ceilings allow / time; None without a ceiling.
        mem_access: elements that its convolutions access; None without one, as are the next two.
        least_mem_access: the least for the same work on the same maps; see `measure.mem_access`.
        mem_access_excess: the first over the second.
    """

    path: str
    kind: str
    macs: int
    bytes_moved: int
    ms: float
    gflops: float
    intensity: float
    level: str
    roof_fraction: float | None
    mem_access: int | None = None
    least_mem_access: float | None = None
    mem_access_excess: float | None = None


def layer_points(
    net: nn.Module,
    input_shape: Shape,
    *,
    batch: int = 1,
    threads: int = 1,
    precision: str = "float32",
    ceilings: Ceilings,
    schedule: Schedule | None = None,
) -> tuple[LayerPoint, ...]:
    """Time every layer of a network alone, in this process, and return them in order of execution.

    A layer is a module of torch or of `fleetfoot.ops` that computes something; one that is called
    several times is timed on its first input.

    Args:
        net: the network; it is left alone.
        input_shape: of one image.
        batch: images in the call.
        threads: to compute with.
        precision: of weights and activations, a key of `DTYPES`.
        ceilings: of this many threads.
        schedule: how long to time; `QUICK` if None.

    Raises:
        UsageError: torch computes in no such precision.
    """
    if precision not in DTYPES:
        raise UsageError(f"{precision}: layers are timed in {', '.join(DTYPES)}")
    dtype = DTYPES[precision]
    counts = count(net, input_shape, batch=batch, bytes_per_element=dtype.itemsize)
    ready = copy.deepcopy(net).eval().to(dtype)
    x = torch.randn(batch, *input_shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch_threads(threads), denormals_flushed(), torch.inference_mode():
        inputs, called = _inputs_of_layers(ready, x)
        layers = dict(ready.named_modules())
        times = measure_blocks(
            {path: _block(layers[path], args) for path, args in inputs.items()},
            schedule or QUICK,
        )
    points = (
        _point(path, called[path], times[path].ms_p50, counts, ceilings, precision)
        for path in inputs
    )
    return tuple(point for point in points if point is not None)


def _inputs_of_layers(net: nn.Module, x: Tensor) -> tuple[dict[str, tuple[Any, ...]], Counter[str]]:
    """Return what each layer is first called with, in order of execution, and how often."""
    inputs: dict[str, tuple[Any, ...]] = {}
    called: Counter[str] = Counter()

    def note(path: str, _: nn.Module, args: tuple[Any, ...]) -> None:
        called[path] += 1
        if path not in inputs:
            inputs[path] = _copied(args)  # a later layer may overwrite it

    hooks = [module.register_forward_pre_hook(partial(note, path)) for path, module in _layers(net)]
    net(x)
    for hook in hooks:
        hook.remove()
    return inputs, called


def _block(layer: nn.Module, args: tuple[Any, ...]) -> Block:
    """Return a block that times calls of a layer, each on the input that it has in the network."""
    kept = _copied(args)
    layer(*args)
    timed = timed_block(lambda: layer(*args))
    changed = [
        (tensor, whole)
        for tensor, whole in zip(tree_leaves(args), tree_leaves(kept))
        if isinstance(tensor, Tensor) and not torch.equal(tensor, whole)
    ]

    def restored(calls: int) -> list[float]:
        times: list[float] = []
        for _ in range(calls):
            for tensor, whole in changed:
                tensor.copy_(whole)
            times += timed(1)
        return times

    return restored if changed else timed


def _copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tree_map_only(Tensor, Tensor.clone, args)


def _layers(net: nn.Module, path: str = "") -> Generator[tuple[str, nn.Module]]:
    children = list(net.named_children())
    if path and (not children or type(net).__module__.startswith("fleetfoot.ops.")):
        yield path, net
        return
    for name, child in children:
        yield from _layers(child, f"{path}.{name}" if path else name)


def _point(
    path: str, calls: int, ms: float, counts: Counts, ceilings: Ceilings, precision: str
) -> LayerPoint | None:
    """Return the point of a layer; None for one that computes nothing, such as an identity."""
    records = [r for r in counts.records if f"{r.path}.".startswith(f"{path}.")]
    if not records:
        return None
    macs = sum(r.macs for r in records) // calls
    moved = sum(r.bytes_moved for r in records) // calls
    level = level_of(moved, ceilings, device_profile().caches)
    bound = operator_ms(macs, moved, ceilings, precision, level)
    access = total_access(records, calls)
    return LayerPoint(
        path=path,
        kind=max(records, key=lambda r: (r.macs, r.elementwise_ops, r.bytes_moved)).kind,
        macs=macs,
        bytes_moved=moved,
        ms=ms,
        gflops=2 * macs / ms / 1e6,
        intensity=2 * macs / moved if moved else 0.0,
        level=level,
        roof_fraction=None if bound is None else bound / ms,
        mem_access=access and access.elements,
        least_mem_access=access and access.least,
        mem_access_excess=access and access.excess,
    )


def level_of(moved: int, ceilings: Ceilings, caches: Mapping[str, int]) -> str:
    """Return the innermost level that holds this many bytes and has a ceiling."""
    for level, size in (
        ("L2", caches.get("L2", 0) * ceilings.threads),
        ("L3", caches.get("L3", 0)),
    ):
        if moved <= size and level in ceilings.gb_per_s:
            return level
    return "memory"
