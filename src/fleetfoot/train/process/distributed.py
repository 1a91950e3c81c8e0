"""Several processes under torchrun: who am I, wrap the network, gather rows exactly.

Start    ``torchrun --nproc-per-node N -m fleetfoot fit ...``; one process needs none of this
Resume   the same number of processes is required (the plan records it). Every process continues
         from the state that rank 0 saved, with the batches and random numbers that it would have
         had. Bits are promised for one process only: the sum of gradients over processes may be
         taken in another order
"""

import contextlib
from collections.abc import Generator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fleetfoot.core.torchrun import Process, started_as


def this_process() -> Process:
    """Return who this process is; alone unless a process group is initialised."""
    if dist.is_available() and dist.is_initialized():
        return Process(dist.get_rank(), dist.get_world_size(), started_as().local_rank)
    return Process()


@contextlib.contextmanager
def process_group(*, device: str = "cpu") -> Generator[Process]:
    """Join the processes that torchrun started, and leave them at the end.

    Without torchrun's variables, or inside a group, nothing is joined or left.

    Args:
        device: "cpu" communicates by gloo, "cuda" by NCCL.

    Raises:
        UsageError: torchrun's variables say nothing that can be.
    """
    if started_as().world == 1 or dist.is_initialized():
        yield this_process()
        return
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(started_as().local_rank)
    dist.init_process_group(backend)
    try:
        yield this_process()
    finally:
        dist.destroy_process_group()


def wrapped(net: nn.Module) -> nn.Module:
    """Return ``net`` so that its gradients are averaged over processes; alone, ``net`` itself."""
    if this_process().world == 1 or not any(p.requires_grad for p in net.parameters()):
        return net
    return DistributedDataParallel(net)


@torch.no_grad()
def share_buffers(net: nn.Module) -> None:
    """Give every process the buffers of rank 0: batch norms see other images on each."""
    if this_process().world > 1:
        for buffer in net.buffers():
            dist.broadcast(buffer, src=0)


def any_process(flag: bool, *, device: torch.device) -> bool:
    """Return whether the flag is set in any process; all of them have to ask."""
    if this_process().world == 1:
        return flag
    votes = torch.tensor(float(flag), device=device)
    dist.all_reduce(votes, op=dist.ReduceOp.MAX)
    return bool(votes)


def from_first(value: Any) -> Any:
    """Return the value that rank 0 passed, in every process (plain values only)."""
    if this_process().world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all processes, in order of rank; each may have another number of them.

    Args:
        rows: (n, ...); a process without rows passes a tensor with n = 0 whose other axes
            may be 0 as well.
    """
    world = this_process().world
    if world == 1:
        return rows
    shape = torch.tensor(rows.shape, device=rows.device)
    shapes = [torch.empty_like(shape) for _ in range(world)]
    dist.all_gather(shapes, shape)
    largest = torch.stack(shapes).amax(dim=0).tolist()
    padded = rows.new_zeros(largest)
    if len(rows):
        padded[: len(rows)] = rows
    gathered = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(gathered, padded)
    return torch.cat([part[: int(s[0])] for part, s in zip(gathered, shapes, strict=True)])
