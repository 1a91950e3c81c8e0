import subprocess
import sys

import numba
import pytest
import torch

from fleetfoot.train.fused.kernel_threads import share_threads

FIRST_CALL = """
import torch
from fleetfoot.train.fused.kernel_threads import share_threads

torch.set_num_threads(1)
print(share_threads(), torch.get_num_threads())
"""


@pytest.mark.parametrize("count", [2, 1])
def test_the_kernels_share_the_threads_of_torch(count: int) -> None:
    torch.set_num_threads(count)
    assert share_threads() == count
    assert numba.get_num_threads() == min(count, numba.config.NUMBA_NUM_THREADS)
    assert torch.get_num_threads() == count


def test_more_threads_than_there_are_stay_torchs_own() -> None:
    count = numba.config.NUMBA_NUM_THREADS + 1
    torch.set_num_threads(count)
    assert share_threads() == count
    assert numba.get_num_threads() == count - 1
    assert torch.get_num_threads() == count


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread is all there is")
def test_numba_begins_without_taking_torchs_number() -> None:
    """Only once a process, and so in one of its own."""
    words = [sys.executable, "-c", FIRST_CALL]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "1 1\n"
