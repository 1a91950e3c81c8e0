"""Tests run on every core: one worker a core, with a temporary folder and one thread each."""

import atexit
import os
import shutil
import signal
import tempfile

import pytest

MOST_WORKERS = 4  # a worker holds most of a gigabyte

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported
    os.environ["OMP_NUM_THREADS"] = "1"
    # The lock of the machine lies there: workers that measure do not wait for each other.
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="fleetfoot-tests-")
    os.chmod(os.environ["TMPDIR"], 0o755)  # noqa: PTH101  tests that are nobody look into it
    tempfile.tempdir = None
    atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what is in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers run the whole suite; what is named runs in this process."""
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 0 if named else min(cores or 1, MOST_WORKERS)
