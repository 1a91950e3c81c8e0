"""No verb opens a socket of the internet or looks up a name, in no process that it starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.contracts import without_network

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    not without_network.can_be_watched(), reason="looks at system calls of Linux"
)
ASKS = {
    "by C": "import ctypes; ctypes.CDLL(None).gethostbyname(b'example.org')",
    "by Python": "import socket; socket.getaddrinfo('example.org', 80)",
}


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose look-ups are written down."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(without_network.as_sitecustomize())
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return known | {without_network.NOTES: str(tmp_path / "notes.txt")}


def heard(watched: dict[str, str]) -> str:
    notes = Path(watched[without_network.NOTES])
    return notes.read_text() if notes.exists() else ""


@pytest.mark.parametrize("how", ASKS)
def test_a_look_up_would_be_noticed(how: str, watched: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", ASKS[how]], env=watched, check=False)
    assert done.returncode == -signal.SIGSYS
    assert bool(heard(watched)) == (how == "by Python")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for name, bright in (("dark", 60), ("light", 190)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(bright - 50, bright + 50, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def test_no_verb_calls_home(pictures: Path, tmp_path: Path, watched: dict[str, str]) -> None:
    run, data = str(tmp_path / "run"), str(pictures)
    words = ("options=[[width,0.125]]", "precision=float32", "layout=nchw", "kernels=torch")
    settings = [
        word for setting in words for word in ("--set", setting.replace("width", '"width"'))
    ]
    commands = [
        ["nets", "fleetnet*"],
        ["audit", data],
        ["fit", data, "--out", run, "--net", "fleetnet_small", "--epochs", "1", *settings],
        ["evaluate", f"{run}/bundle", data],
        ["predict", run, f"{data}/dark/0.png"],
        ["measure", f"{run}/bundle", "--samples", "10"],
        ["deploy", run, "--engine", "onnxruntime", "--precision", "float32"],
        ["report", run],
        ["claims", "list", "fasternet/*"],
        ["claims", "table", "fasternet/*"],
        ["doctor"],
    ]
    program = str(HERE / "without_network.py")
    words = [sys.executable, program, json.dumps(commands)]
    done = subprocess.run(words, env=watched, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert heard(watched) == ""
    bundle = (tmp_path / "run" / "bundle" / "bundle.json").read_text()
    assert "SIGSYS" not in done.stdout + done.stderr + bundle  # of a process that measured
