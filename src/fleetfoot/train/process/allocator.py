"""Let the process keep freed memory: a step then reuses the pages of the step before.

glibc gives each large block pages of its own and returns them when the block is freed, so that
every activation is paid for with page faults, again in every step. Where page faults are slow, as
in virtual machines, they cost more than the arithmetic: a ReLU over 67 MB took 51 ms with and 16 ms
without them (two cores, shared machine). The price is that the process stays as large as it was at
its largest.

Large pages do the same for translating addresses: maps of a training step are far larger than what
the processor remembers of page tables. Where Linux gives large pages to those who ask, the heap
asks: a training step took 8 % less.
"""

import ctypes
import os
import platform
from pathlib import Path

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER_TRIM = -1  # taken as an unsigned number: the largest there is
MADV_HUGEPAGE = 14  # from Linux's mman.h
LARGE_PAGE = 2 << 20
RESERVED_SHARE = 0.5  # of the machine's memory; addresses only, no memory
LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
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
    kept = all([mallopt(name, value) == 1 for name, value in settings])
    if kept:
        _ask_for_large_pages()
    return kept


def _ask_for_large_pages() -> bool:
    """Let the heap grow far, untouched, and ask for large pages there; return whether it could."""
    if not (_given_on_request() and _addresses_are_free()):
        return False
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    size = int(memory * RESERVED_SHARE)
    block = libc.malloc(size)
    if block is None:
        return False
    first = -(-block // LARGE_PAGE) * LARGE_PAGE
    asked = libc.madvise(first, (block + size - first) // LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE)
    libc.free(block)  # the heap keeps the addresses
    return asked == 0


def _given_on_request() -> bool:
    """Return whether Linux gives large pages to those who ask, and to them alone."""
    try:
        return "[madvise]" in LARGE_PAGES.read_text()
    except OSError:
        return False


def _addresses_are_free() -> bool:
    """Return whether a process may reserve addresses without anybody's missing them."""
    import resource  # not on Windows, which has no glibc either

    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    try:
        counted = OVERCOMMIT.read_text().strip() == "2"
    except OSError:
        counted = True
    return not counted and all(limit == resource.RLIM_INFINITY for limit in limits)
