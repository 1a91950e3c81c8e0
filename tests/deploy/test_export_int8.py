from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_int8 import export_int8
from fleetfoot.deploy.export_onnx import export_onnx


@pytest.fixture(scope="module")
def graph(subject, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    return export_onnx(subject.net, folder / "m.onnx", image=(3, 24, 24))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_both_engines_run_it_in_int8_and_stay_close(subject, graph: Path, engine: str):
    x = subject.preprocess.normalise(subject.crops)
    file = export_int8(graph, graph.with_name("q.onnx"), inputs=x)
    opened = open_engine(file, engine=engine, precision="int8")
    assert "int8" in opened.actual_precision
    difference = np.abs(opened.run(x) - subject.logits)
    assert 0 < difference.max() < 0.2 * np.ptp(subject.logits)


def test_no_images_no_int8(graph: Path, tmp_path: Path):
    with pytest.raises(DataError, match="needs calibration images"):
        export_int8(graph, tmp_path / "q.onnx", inputs=np.empty((0, 3, 24, 24), np.float32))
