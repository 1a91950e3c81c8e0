"""Settings of torch that a measurement needs, put back when it is over."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(number: int) -> Generator[None]:
    """Compute with this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def denormals_flushed() -> Generator[None]:
    """Compute as the workers of `deploy.cells` do; the setting from before is read off a number."""
    before = bool(torch.tensor(torch.finfo(torch.float32).tiny) * 0.5 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
