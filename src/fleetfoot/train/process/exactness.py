"""Settings of torch under which a run gives the same bits twice, put back afterwards."""

import contextlib
import os
from collections.abc import Generator
from typing import Any

import torch


@contextlib.contextmanager
def exact_arithmetic(*, threads: int, device: torch.device) -> Generator[None]:
    """Fix what decides in which order numbers are added.

    Sums depend on the number of threads, so it is fixed. Operators that have a reproducible form
    use it: on the CPU that is free for convolutional networks, on a GPU cuDNN loses its choice by
    timing.

    Args:
        threads: threads of one operator on the CPU.
        device: where training runs.
    """
    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    warn_only_before = torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic  # its one switch is unknown to type checkers
    fill_before = debugging.fill_uninitialized_memory
    benchmark_before = torch.backends.cudnn.benchmark
    if device.type == "cuda":  # read by cuBLAS when its first handle is made
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    debugging.fill_uninitialized_memory = False  # it would cost time
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(deterministic_before, warn_only=warn_only_before)
        debugging.fill_uninitialized_memory = fill_before
        torch.backends.cudnn.benchmark = benchmark_before
