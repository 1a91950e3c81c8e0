"""Time on a CUDA device: events around each call, and replay of a recorded graph of kernels.

A launch returns before its kernel has run, so a clock of the host alone times nothing. Events are
stamped by the device; the host waits after each call, so that no call hides behind the one before.
At small batches launching takes longer than computing: replay shows what is left without it.

Source   papers/measuring.md, "Protocol", 7; torch documentation, "CUDA semantics", graphs
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fleetfoot.core.errors import MissingError
from fleetfoot.measure.latency import Block

WARM_UP_CALLS = 3  # before recording: libraries choose and load their kernels in the first calls


def require_cuda() -> None:
    """Refuse to go on where torch sees no CUDA device.

    Raises:
        MissingError: there is none.
    """
    if not torch.cuda.is_available():
        raise MissingError("torch sees no CUDA device here: measure with --device cpu")


def event_block(call: Callable[[], Any]) -> Block:
    """Return a block that times each call of ``call`` with events of the device."""

    def block(calls: int) -> list[float]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        times: list[float] = []
        for _ in range(calls):
            torch.cuda.synchronize()
            start.record()
            call()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end))
        return times

    return block


def replayed(net: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """Return ``net`` as one recorded graph of kernels for inputs like ``example``.

    Args:
        net: function of one tensor on the device, without gradients.
        example: an input; later ones must have its shape and type.

    Returns:
        A function that copies its input in, replays, and returns the same output tensor each time.
    """
    taken = example.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_CALLS):
            net(taken)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        given = net(taken)

    def run(batch: Tensor) -> Tensor:
        taken.copy_(batch)
        graph.replay()
        return given

    return run
