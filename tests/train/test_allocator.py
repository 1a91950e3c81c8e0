import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from fleetfoot.train.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.set_num_threads(1)
x = torch.zeros(8 << 20)
for _ in range(20):  # the heap finds its size
    x.relu()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    x.relu()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(word: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, word], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_repeated_allocations_cost_no_page_faults():
    """Five times 32 MiB are 40,960 pages of 4 KiB, or 80 huge ones."""
    assert page_faults("keep") < 20 < page_faults("return")


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    from fleetfoot.train.allocator import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    assert keep_freed_memory() is False
