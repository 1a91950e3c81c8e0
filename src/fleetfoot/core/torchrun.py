"""Which of several processes this is, from the variables that torchrun sets.

A number without the others is of somebody else: it counts for nothing.
"""

import os
from typing import NamedTuple

from fleetfoot.core.errors import UsageError


class Process(NamedTuple):
    """A process among `world`; `local_rank` is its number on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes files, and speaks."""
        return self.rank == 0


def started_as() -> Process:
    """Return which process this was started as; alone unless RANK and WORLD_SIZE say otherwise.

    Raises:
        UsageError: they are set but say nothing that can be.
    """
    if not os.environ.get("RANK") or not os.environ.get("WORLD_SIZE"):
        return Process()
    rank, world = _number("RANK"), _number("WORLD_SIZE")
    if world <= 1:
        return Process()
    if rank >= world:
        raise UsageError(f"RANK={rank}: is not below WORLD_SIZE={world}; start by torchrun")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            raise UsageError(f"WORLD_SIZE={world} without {name}: start by torchrun, or unset it")
    return Process(rank, world, _number("LOCAL_RANK") if os.environ.get("LOCAL_RANK") else 0)


def _number(name: str) -> int:
    text = os.environ[name].strip()
    if not text.isdecimal():
        raise UsageError(f"{name}={text}: is no number from 0 on; start by torchrun, or unset it")
    return int(text)
