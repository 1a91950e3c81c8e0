"""Keep freed memory for the next step instead of giving it back to the system.

glibc maps every large block afresh and unmaps it when it is freed, so each step touches its
activations as new pages: a quarter of a step of small convolutions was page faults.
"""

import contextlib
import ctypes
import sys
from collections.abc import Generator

# mallopt's parameters (malloc.h), the values for training, and the defaults to put back.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_KEEP = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 2**20}
_USUAL = {_MMAP_MAX: 65536, _TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024}


@contextlib.contextmanager
def kept_memory() -> Generator[None]:
    """Let the allocator keep what is freed; without glibc nothing happens."""
    library = _glibc()
    if library is None:
        yield
        return
    for parameter, value in _KEEP.items():
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _USUAL.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    has_all = hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt")
    return library if has_all else None
