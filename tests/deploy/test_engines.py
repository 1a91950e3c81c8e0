from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError, MissingError, UsageError
from fleetfoot.deploy import engines
from fleetfoot.deploy.engines import engine_precisions, installed_engines, open_engine
from fleetfoot.deploy.export_onnx import export_onnx


@pytest.fixture(scope="module")
def graph(subject, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    return export_onnx(subject.net, folder / "m.onnx", image=(3, 24, 24))


def test_both_are_installed_here():
    assert installed_engines() == ("onnxruntime", "openvino")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_float32_is_float32_and_a_batch_is_its_rows(subject, graph: Path, engine: str):
    opened = open_engine(graph, engine=engine, threads=2)
    x = subject.preprocess.normalise(subject.crops)
    assert opened.actual_precision == "float32"
    assert (opened.threads, opened.input_shape) == (2, (1, 3, 24, 24))
    np.testing.assert_allclose(opened.run(x), subject.logits, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_the_precision_asked_for_is_the_one_read_back(subject, graph: Path, precision: str):
    if precision not in engine_precisions("openvino"):
        pytest.skip(f"this CPU has no {precision}")
    opened = open_engine(graph, engine="openvino", precision=precision)
    difference = np.abs(
        opened.run(subject.preprocess.normalise(subject.crops)) - subject.logits
    ).max()
    assert precision in opened.actual_precision
    assert 0 < difference < 0.1


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_several_threads_may_call_one_engine(subject, graph: Path, engine: str):
    opened = open_engine(graph, engine=engine)
    rows = list(subject.preprocess.normalise(subject.crops)[:, None]) * 8
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(opened.run, rows))
    np.testing.assert_allclose(np.concatenate(outputs), np.tile(subject.logits, (8, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "tensorrt"}, "'tensorrt' is not one of onnxruntime, openvino"),
        ({"engine": "openvino", "precision": "int3"}, "'int3' is not one of"),
        ({"engine": "onnxruntime", "precision": "bfloat16"}, "onnxruntime has no bfloat16"),
        ({"engine": "openvino", "threads": 0}, "at least 1, got 0"),
    ],
)
def test_unknown_words_are_refused(graph: Path, settings, message: str):
    with pytest.raises(UsageError, match=message):
        open_engine(graph, **settings)


def test_onnxruntime_does_not_read_ir(tmp_path: Path):
    with pytest.raises(UsageError, match=r"onnxruntime reads \.onnx"):
        open_engine(tmp_path / "m.xml", engine="onnxruntime")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_missing_and_damaged_files_are_data_errors(graph: Path, engine: str, tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        open_engine(tmp_path / "absent.onnx", engine=engine)
    (tmp_path / "half.onnx").write_bytes(graph.read_bytes()[:200])
    with pytest.raises(DataError, match="damaged"):
        open_engine(tmp_path / "half.onnx", engine=engine)


def test_a_cpu_without_bf16_says_so(graph: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "engine_precisions", lambda _: ("float32", "int8"))
    with pytest.raises(MissingError, match="no bfloat16 under OpenVINO; it has float32, int8"):
        open_engine(graph, engine="openvino", precision="bfloat16")
