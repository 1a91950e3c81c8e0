import platform
import subprocess
import sys
from pathlib import Path

import pytest

LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

FAULTS = """
import resource, sys
import torch
from fleetfoot.train.process.allocator import keep_freed_memory

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

HEAP = """
import resource, sys
import numpy as np
from fleetfoot.train.process.allocator import keep_freed_memory

def kilobytes(file, *, after, of):
    "The sum of a line's values in a file of /proc, behind a line that ends with a word."
    inside, total = False, 0
    for line in open(f"/proc/self/{file}"):
        first, *rest = line.split()
        if not first.endswith(":"):
            inside = line.rstrip().endswith(after)
        elif first == of and (inside or not after):
            total += int(rest[0])
    return total

if sys.argv[1] == "limit":
    size = kilobytes("status", after="", of="VmSize:") * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30),) * 2)
assert keep_freed_memory()
x = np.ones(16 << 20, np.float32)
for _ in range(5):
    assert (x + x)[-1] == 2
print(kilobytes("smaps", after="[heap]", of="AnonHugePages:"))
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")


def number_from(program: str, word: str) -> int:
    """Return what a program prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program, word], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@glibc
def test_repeated_allocations_cost_no_page_faults():
    """Five times 32 MiB are 40,960 pages of 4 KiB, or 80 huge ones."""
    assert number_from(FAULTS, "keep") < 20 < number_from(FAULTS, "return")


@glibc
@pytest.mark.skipif(
    not LARGE_PAGES.exists() or "[never]" in LARGE_PAGES.read_text(),
    reason="this system gives no large pages",
)
def test_the_heap_gets_large_pages():
    """Half of the 64 MiB at least; a machine whose memory is in pieces may not have them all."""
    assert number_from(HEAP, "keep") >= 32 << 10


@glibc
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_limit_on_addresses_does_no_harm():
    """One GiB more than there is: less than half of a machine's memory."""
    assert number_from(HEAP, "limit") >= 0


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    from fleetfoot.train.process.allocator import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    assert keep_freed_memory() is False
