"""A lock on a file: one holder, given back with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleetfoot.core.file_lock import locked

HOLD = """
import sys, time
from pathlib import Path
from fleetfoot.core.file_lock import locked
with locked(Path(sys.argv[1])) as held:
    print(held, flush=True)
    time.sleep(60)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no flock")


def test_a_second_holder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as first:
        with locked(path) as second:
            assert (first, second) == (True, False)
        with locked(path) as third:  # the refused one gave nothing back
            assert not third
    with locked(path) as again:
        assert again


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "True"
        with locked(path) as held:
            assert not held
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with locked(path) as held:
        assert held
