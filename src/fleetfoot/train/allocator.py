"""Let the process keep freed memory: a step then reuses the pages of the step before.

glibc gives each large block pages of its own and returns them when the block is freed, so that
every activation is paid for with page faults, again in every step. Where page faults are slow, as
in virtual machines, they cost more than the arithmetic: a ReLU over 67 MB took 51 ms with and 16 ms
without them (two cores, shared machine). The price is that the process stays as large as it was at
its largest.
"""

import ctypes
import platform

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER_TRIM = 2**31 - 1
GROW_BY_BYTES = 256 << 20


def keep_freed_memory() -> bool:
    """Tell the allocator to keep what is freed; return whether this system has that switch."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (
        (M_MMAP_MAX, 0),
        (M_TRIM_THRESHOLD, NEVER_TRIM),
        (M_TOP_PAD, GROW_BY_BYTES),
    )
    return all([mallopt(name, value) == 1 for name, value in settings])
