"""No verb opens a socket of the internet or looks up a name, in no process that it starts."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.without_network import can_be_watched, heard, watched_environment

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"
pytestmark = pytest.mark.skipif(not can_be_watched(), reason="looks at system calls of Linux")
ASKS = {
    "by C": "import ctypes; ctypes.CDLL(None).gethostbyname(b'example.org')",
    "by Python": "import socket; socket.getaddrinfo('example.org', 80)",
}


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    return watched_environment(tmp_path)


@pytest.mark.parametrize("how", ASKS)
def test_a_look_up_would_be_noticed(how: str, watched: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", ASKS[how]], env=watched, check=False)
    assert done.returncode == -signal.SIGSYS
    assert bool(heard(watched)) == (how == "by Python")


def test_no_verb_calls_home(tmp_path: Path, watched: dict[str, str]) -> None:
    """Those that train and answer are watched in tests/test_tiny.py."""
    run = str(shutil.copytree(SAMPLES / "finished", tmp_path / "run"))
    words = ("--weights", "none", "--engine", "onnxruntime", "--precision", "float32")
    commands = [
        ["nets", "fleetnet*"],
        ["audit", "digits"],
        ["measure", f"{run}/bundle", "--samples", "10", "--threads", "1"],
        ["deploy", "fleetnet_small", *words, "--out", str(tmp_path / "bundle")],
        ["report", run],
        ["claims", "list", "fasternet/*"],
        ["claims", "table", "fasternet/*"],
        ["doctor"],
    ]
    command = [sys.executable, str(HERE / "without_network.py"), json.dumps(commands)]
    done = subprocess.run(command, env=watched, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert heard(watched) == ""
    assert "SIGSYS" not in done.stdout + done.stderr  # of a process that measured
