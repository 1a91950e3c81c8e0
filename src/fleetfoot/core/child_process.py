"""What a process that runs our own code is started with, and how it ends with the one that did.

Alone    it finds no module in the working folder, where a user's `random.py` may lie; the folders
         that its parent looks in come last, for classes of the user's own (`look_also_in`)
Ends     with the process that started it, whatever ended that one: by the kernel on Linux, within
         a second elsewhere
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOOK_SECONDS = 1.0


def child_environment(threads: int) -> dict[str, str]:
    """Return this process's environment, for a child that imports the same source."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    source = Path(__file__).parents[2]
    paths = [] if source.name in ("site-packages", "dist-packages") else [str(source)]
    paths += [str(Path(path).absolute()) for path in given if path]  # an empty one: where we are
    return {
        **os.environ,
        **dict.fromkeys(THREADS, str(threads)),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def import_folders() -> list[str]:
    """Return where this process looks for modules, for `look_also_in` in a child."""
    return [str(Path(path).absolute()) for path in sys.path]


def look_also_in(folders: Iterable[str]) -> None:
    """Look for modules in these folders too, after all others."""
    sys.path += [folder for folder in folders if folder not in sys.path]


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
