"""A bundle whose graph is made by hand in milliseconds: it tells red, green and blue apart."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.tune import Candidate
from fleetfoot.deploy.write_bundle import Card, Measured, write_contract, write_record

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
SIZE = 8


def write_graph(path: Path) -> None:
    """Mean over the picture, then ten times the amount of blue, green, red as logits."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.zeros((3, 3), np.float32)
    for label, colour in enumerate(COLOURS.values()):
        weight[np.argmax(colour), label] = 10
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["images"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
        ],
        "colours",
        [helper.make_tensor_value_info("images", kind, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", kind, [1, 3])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def make_bundle(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_graph(folder / "model.onnx")
    card = Card(
        net="colours",
        weights={"source": "made by hand", "licence": "none"},
        aliases={"n3": "red"},
    )
    preprocess = Preprocess(SIZE, 1.0, "bilinear", (0.0,) * 3, (255.0,) * 3)
    write_contract(folder, preprocess=preprocess, classes=list(COLOURS), card=card)
    chosen = Candidate(
        engine="onnxruntime",
        precision="float32",
        layout="nchw",
        threads=1,
        file="model.onnx",
        latency_ms_p50=1.0,
        latency_ms_p90=1.0,
        top1=1.0,
        kept=True,
        reason="fastest",
    )
    measured = Measured(
        chosen=chosen,
        fallback=chosen,
        candidates=[chosen],
        baselines=[],
        reference={},
        budget=None,
        calibration=None,
        use={},
    )
    write_record(folder, card=card, classes=list(COLOURS), form=GraphForm(), measured=measured)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of its own for a test that may spoil it."""
    return make_bundle(tmp_path / "run" / "bundle")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Class folders with three pictures of each colour."""
    folder = tmp_path / "pictures"
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(3):
            array = np.full((20 + number, 30, 3), colour, np.uint8)
            array[number, : 5 + number] = 40 * number  # no two are alike
            Image.fromarray(array).save(folder / label / f"{number}.png")
    return folder


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def fleetfoot(tmp_path: Path) -> Run:
    """Run the command line as a process of its own, in the temporary folder."""

    def run(*words: object, **environment: str) -> "subprocess.CompletedProcess[bytes]":
        return _process(words, cwd=tmp_path, env={**os.environ, **environment})

    return run


@pytest.fixture
def nobody() -> Iterator[Callable[[], None]]:
    """Return a function that turns this process into one of a user who owns nothing."""
    me = os.geteuid()

    def become_nobody() -> None:
        if me == 0:  # root may read and write everything
            os.seteuid(65534)

    yield become_nobody
    os.seteuid(me)


def _process(words: Sequence[object], **options: Any) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "fleetfoot", *map(str, words)],
        capture_output=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may look into, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="fleetfoot-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


NO_NETWORK = """
import socket


def refuse(*_, **__):
    raise OSError("this test allows no network")


socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.create_connection = refuse
"""


@pytest.fixture
def sabotage(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return the environment of a machine without network, with some packages broken."""

    def environment(*broken: str) -> dict[str, str]:
        site = tmp_path / "site"
        for package in broken:
            (site / package).mkdir(parents=True)
            line = f"raise RuntimeError('operator {package}::nms does not exist')\n"
            (site / package / "__init__.py").write_text(line)
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(NO_NETWORK)
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(paths)}

    return environment
