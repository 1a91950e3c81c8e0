import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import GateError, UsageError
from fleetfoot.core.files import sha256_of
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy import deploy as deploy_module
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.deploy import deploy
from fleetfoot.deploy.engines import OnnxRuntimeEngine
from fleetfoot.deploy.gate import GateSet
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.write_bundle import Card

FIGURES = {
    *("engine", "precision", "layout", "threads", "file", "actual_precision", "samples", "top1"),
    *("latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "latency_ms_iqr", "first_call_ms"),
    *("parity", "passed", "kept", "reason"),
}


def test_the_record_is_what_lies_on_disk(record):
    content = json.loads((record.path / "bundle.json").read_text())
    assert content == record.content
    files = {f.relative_to(record.path).as_posix() for f in record.path.rglob("*") if f.is_file()}
    assert files == {*content["files"], "bundle.json"}
    assert all(sha256_of(record.path / name) == sha for name, sha in content["files"].items())


def test_every_candidate_has_its_figures_and_its_reason(record):
    candidates = record.content["candidates"]
    assert {(c["engine"], c["precision"]) for c in candidates} == {
        (engine, precision)
        for engine in ("onnxruntime", "openvino")
        for precision in ("float32", "bfloat16", "int8")
    }
    for candidate in candidates:
        assert set(candidate) == FIGURES
        assert candidate["reason"]
        assert (candidate["file"] is None) == (candidate["parity"] is None)
    assert sum(c["kept"] for c in candidates) == 1
    assert record.chosen["kept"]


def test_the_fallback_is_always_there(record):
    fallback = record.content["fallback"]
    assert (fallback["engine"], fallback["precision"]) == ("onnxruntime", "float32")
    assert (record.path / fallback["file"]).is_file()
    models = {name for name in record.content["files"] if name.startswith("model")}
    stem = Path(record.chosen["file"]).stem
    assert models <= {"model.onnx", f"{stem}.onnx", f"{stem}.xml", f"{stem}.bin"}


def test_baseline_reference_budget_and_card(record, subject):
    (eager,) = record.content["baselines"]
    assert (eager["engine"], eager["precision"], eager["layout"]) == ("eager", "float32", "nchw")
    assert eager["latency_ms_p50"] > 0
    assert record.content["reference"]["correct"] == len(subject.labels)
    assert record.content["budget"]["limit_ms"] == 1000.0
    assert len(record.content["budget"]["runs_ms_p50"]) == 3
    assert record.budget_met is True
    assert record.content["aliases"] == {"n1": "ant"}
    assert record.content["weights"] == {"source": "x", "licence": "y"}


@pytest.fixture
def quick(instant) -> Options:
    return Options(
        engines=("onnxruntime",), precisions=("float32",), baselines=(), schedule=instant
    )


def arguments(subject) -> dict:
    return {
        "preprocess": subject.preprocess,
        "classes": ("a", "b", "c", "d"),
        "gate": subject.gate,
        "card": Card(net="subject"),
    }


def test_a_net_that_differs_from_the_trained_one_fails_and_leaves_the_old_bundle(
    subject, tmp_path: Path, quick: Options
):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").write_text("kept")
    broken = nn.Sequential(*subject.net[:-1], nn.Linear(32, 4)).eval()
    with torch.no_grad():
        broken[-1].weight.zero_()
    with pytest.raises(GateError, match="not even float32"):
        deploy(broken, tmp_path / "bundle", eager=subject.net, options=quick, **arguments(subject))
    assert [file.name for file in (tmp_path / "bundle").iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["bundle"]


def test_a_fallback_that_answers_otherwise_fails_though_another_form_passes(
    subject, tmp_path: Path, instant, monkeypatch: pytest.MonkeyPatch
):
    def run(self, batch):
        return -self._session.run(None, {self._name: batch})[0]

    monkeypatch.setattr(OnnxRuntimeEngine, "run", run)
    options = Options(precisions=("float32",), baselines=(), schedule=instant)
    with pytest.raises(GateError, match="ONNX float32 form, which every bundle needs"):
        deploy(subject.net, tmp_path / "bundle", options=options, **arguments(subject))


def test_class_names_must_fit_the_outputs(subject, tmp_path: Path, quick: Options):
    with pytest.raises(UsageError, match="4 outputs, the class list 1 names"):
        deploy(
            subject.net,
            tmp_path / "bundle",
            options=quick,
            **{**arguments(subject), "classes": ("a",)},
        )


def test_uint8_in_probabilities_out_with_sockets_blocked(
    subject, tmp_path: Path, instant, monkeypatch: pytest.MonkeyPatch
):
    def blocked(*_, **__):
        raise OSError("sockets are blocked")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, blocked)
    options = Options(
        graph_preprocess=True, precisions=("float32",), baselines=(), schedule=instant
    )
    deploy(subject.net, tmp_path / "bundle", options=options, **arguments(subject))
    loaded = load(tmp_path / "bundle")
    assert loaded.engine.input_dtype == "uint8"
    found = loaded.logits(subject.crops)
    differences = found - found.max(axis=1, keepdims=True)
    expected = subject.logits - subject.logits.max(axis=1, keepdims=True)
    np.testing.assert_allclose(differences, expected, atol=1e-3)
    answer = loaded.predict(np.zeros((9, 31, 3), np.uint8), top=4)
    assert sum(best.probability for best in answer.top) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("seconds", [60.0, -1.0])
def test_all_forms_are_compared_on_the_same_images_or_say_that_they_were_not(
    subject, tmp_path: Path, instant, monkeypatch: pytest.MonkeyPatch, seconds: float
):
    monkeypatch.setattr(deploy_module, "RECORD_SECONDS", seconds)
    gate = GateSet(np.tile(subject.crops, (11, 1, 1, 1)), np.tile(subject.labels, 11))
    options = Options(precisions=("float32",), baselines=(), schedule=instant)
    record = deploy(
        subject.net, tmp_path / "bundle", options=options, **{**arguments(subject), "gate": gate}
    )
    candidates = record.content["candidates"]
    compared = [c for c in candidates if c["parity"]]
    assert {c["parity"]["images"] for c in compared} == {132}
    assert record.chosen in compared
    assert record.content["fallback"]["passed"]
    for left in (c for c in candidates if not c["parity"]):
        assert (left["passed"], left["top1"]) == (None, None)
        assert left["reason"] == "slower, and not compared for want of time"
    assert (len(compared) == len(candidates)) is (seconds > 0)


def test_the_temperature_is_fitted_on_the_gate_and_its_error_is_cross_fitted(
    subject, tmp_path: Path, quick: Options
):
    """Every answer is right and none is sure: confidence has to rise."""
    gate = GateSet(np.tile(subject.crops, (11, 1, 1, 1)), np.tile(subject.labels, 11))
    record = deploy(
        subject.net, tmp_path / "bundle", options=quick, **{**arguments(subject), "gate": gate}
    )
    found = record.content["calibration"]
    assert found["images"] == 132
    assert 0 < found["temperature"] < 0.5
    assert found["ece_after"] < 0.05 < found["ece_before"]
    loaded = load(record.path)
    answer = loaded.predict(subject.crops[0], top=4)
    logits = loaded.logits(subject.crops[:1])[0] / found["temperature"]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert [best.probability for best in answer.top] == pytest.approx(sorted(expected)[::-1])
    again = load(record.path, engine="openvino").predict(subject.crops[0], top=4)
    assert again.probability == pytest.approx(answer.probability, abs=1e-4)


def test_without_labels_or_with_few_there_is_no_temperature(record, tmp_path: Path):
    assert record.content["calibration"] is None  # 12 images
    assert load(record.path).temperature == 1.0


def test_what_a_user_waits_for(record, subject):
    use = record.content["use"]
    assert use["cold_start_ms"] > use["end_to_end_ms_p50"] > 0
    assert use["picture_pixels"] == [24, 24]
    graph = record.path / record.chosen["file"]
    parts = [graph, graph.with_suffix(".bin")] if graph.suffix == ".xml" else [graph]
    assert use["graph_bytes"] == sum(part.stat().st_size for part in parts)


def test_grey_images_and_no_labels(tmp_path: Path, quick: Options):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    crops = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    record = deploy(
        net,
        tmp_path / "bundle",
        preprocess=Preprocess(8, 1.0, "bilinear", (0.0,), (255.0,), channels=1),
        classes=("a", "b", "c", "d"),
        gate=GateSet(crops),
        card=Card(net="grey"),
        options=quick,
    )
    assert record.content["reference"]["top1"] is None
    assert record.chosen["top1"] is None
    assert load(record.path).predict(np.zeros((20, 9), np.uint8)).label in "abcd"
