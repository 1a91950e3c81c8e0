"""A child imports the source that its parent imports, with the threads it is given."""

import subprocess
import sys
from pathlib import Path

import pytest

import fleetfoot
from fleetfoot.core.child_process import child_environment


def test_the_child_imports_the_same_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import os, sys, fleetfoot; print(fleetfoot.__file__, os.environ['OMP_NUM_THREADS'])"
    child = {"env": child_environment(3), "cwd": tmp_path, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, **child)
    assert done.stdout.split() == [str(fleetfoot.__file__), "3"]
    assert child["env"]["PYTHONPATH"].endswith(str(tmp_path))
