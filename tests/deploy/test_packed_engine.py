import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import MissingError, UsageError
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy import packed_engine
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.deploy import BundleRecord, deploy
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.gate import GateSet
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.reference import eager_logits
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.sign import Sign
from tests.contracts.subjects import randomise

pytest.importorskip("numba")

from fleetfoot.kernels.packed_net import PackedNet, save_packed
from fleetfoot.passes.pack_binary import pack_binary

PREPROCESS = Preprocess(8, 1.0, "bilinear", (120.0, 110.0, 100.0), (60.0, 61.0, 62.0))


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(
        BinaryConv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        Sign(),
        BinaryConv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        Sign(),
        nn.Flatten(),
        BinaryLinear(512, 4),
        nn.BatchNorm1d(4),
    )
    return randomise(layers).eval()


@pytest.fixture(scope="module")
def packed(net: nn.Module) -> PackedNet:
    return pack_binary(net, (3, 8, 8)).net


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def record(net, packed, crops, instant, tmp_path_factory) -> BundleRecord:
    logits = eager_logits(net, crops, PREPROCESS)
    return deploy(
        net,
        tmp_path_factory.mktemp("packed") / "bundle",
        preprocess=PREPROCESS,
        classes=("ant", "bee", "cat", "dog"),
        gate=GateSet(crops, logits.argmax(axis=1)),
        card=Card(net="binary"),
        options=Options(engines=("packed",), packed=packed, schedule=instant),
    )


def test_a_bundle_of_bits_answers_as_the_network_and_keeps_its_fallback(record, net, crops):
    chosen = record.chosen
    assert (chosen["engine"], chosen["precision"]) == ("packed", "w1a1")
    assert chosen["actual_precision"] == "w1a1"
    assert {"model.onnx", "model_packed.npz"} <= set(record.content["files"])
    loaded = load(record.path)
    expected = eager_logits(net, crops, PREPROCESS)
    np.testing.assert_allclose(loaded.logits(crops), expected, rtol=1e-4, atol=1e-4)
    plain = load(record.path, engine="onnxruntime")
    np.testing.assert_allclose(plain.logits(crops), expected, rtol=1e-4, atol=1e-4)
    assert load(record.path, precision="float32").choice["engine"] == "onnxruntime"


def test_predicting_bits_needs_no_torch(record, crops):
    code = (
        "import sys, numpy as np; from fleetfoot.deploy.bundle import load;"
        f"bundle = load({str(record.path)!r}); print(bundle.engine.engine, 'torch' in sys.modules);"
        "print(bundle.predict(np.zeros((9, 9, 3), np.uint8)).label)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, label = out.stdout.split("\n")[:2]
    assert first == "packed False"
    assert label in ("ant", "bee", "cat", "dog")


def test_a_processor_without_vectors_gives_the_same_numbers(packed, crops, tmp_path: Path):
    path = save_packed(packed, tmp_path / "model.npz")
    np.save(tmp_path / "x.npy", x := PREPROCESS.normalise(crops[:3]))
    code = (
        "import sys, numpy as np; from fleetfoot.deploy.engines import open_engine;"
        "engine = open_engine(__import__('pathlib').Path(sys.argv[1]), engine='packed',"
        "precision='w1a1'); np.save(sys.argv[3], engine.run(np.load(sys.argv[2])))"
    )
    files = [str(path), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    plain["XDG_CACHE_HOME"] = str(tmp_path)  # what is compiled for it serves no other test
    subprocess.run([sys.executable, "-c", code, *files], check=True, env={**os.environ, **plain})
    np.testing.assert_allclose(np.load(files[2]), packed(x), rtol=1e-5, atol=1e-5)


def test_the_engine_says_what_it_holds(packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = save_packed(packed, tmp_path / "model.npz")
    engine = open_engine(path, engine="packed", precision="w1a1", threads=2)
    assert (engine.threads, engine.input_shape, engine.outputs) == (1, (None, 3, 8, 8), 4)
    assert "MB in bits" in engine.note
    with pytest.raises(UsageError, match="packed has no int8; it has w1a1"):
        open_engine(path, engine="packed", precision="int8")

    def missing(name: str, *, extra: str) -> None:
        raise MissingError(f"{name}: run `pip install 'fleetfoot[{extra}]'`")

    monkeypatch.setattr(packed_engine, "require", missing)
    with pytest.raises(MissingError, match="numba"):
        open_engine(path, engine="packed", precision="w1a1")


def test_a_network_that_cannot_be_packed_says_why_and_goes_on(net, crops, instant, tmp_path: Path):
    options = Options(
        packed="5: SiLU cannot be packed",
        precisions=("float32", "w1a1"),
        engines=("onnxruntime", "packed"),
        schedule=instant,
    )
    words = {"preprocess": PREPROCESS, "classes": ("a", "b", "c", "d"), "card": Card(net="x")}
    record = deploy(net, tmp_path / "b", gate=GateSet(crops), options=options, **words)
    bits = [c for c in record.content["candidates"] if c["engine"] == "packed"]
    assert [c["reason"] for c in bits] == ["5: SiLU cannot be packed"]
    assert record.chosen["engine"] != "packed"
