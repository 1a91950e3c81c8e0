"""Our kernels compute with as many threads as torch, and leave torch's number alone."""

import numba
import torch


def share_threads() -> int:
    """Let the kernels that follow use torch's number of threads, and return that number.

    Numba sets the number of OpenMP's threads when it begins, for the whole process, and OpenMP is
    torch's too: the number is put back.
    """
    count = torch.get_num_threads()
    limit: int = numba.config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
    numba.set_num_threads(min(count, limit))
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
    return count
