from pathlib import Path

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import DataError
from fleetfoot.deploy.edit_onnx import resize_input, take_nhwc
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx


@pytest.fixture(scope="module")
def graph(subject, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("edit")
    return export_onnx(subject.net, folder / "m.onnx", image=(3, 24, 24))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_nhwc_input_gives_the_same_logits(subject, graph: Path, tmp_path: Path, engine: str):
    opened = open_engine(take_nhwc(graph, tmp_path / "t.onnx"), engine=engine)
    assert opened.input_shape == (1, 24, 24, 3)
    x = subject.preprocess.normalise(subject.crops).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(opened.run(np.ascontiguousarray(x)), subject.logits, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_another_size_equals_the_network_at_that_size(subject, graph, tmp_path, engine: str):
    opened = open_engine(resize_input(graph, tmp_path / "r.onnx", size=48), engine=engine)
    x = torch.randn(1, 3, 48, 48)
    with torch.inference_mode():
        expected = subject.net(x).numpy()
    np.testing.assert_allclose(opened.run(x.numpy()), expected, atol=1e-5)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path):
    (tmp_path / "m.onnx").write_bytes(b"\xff\xff no graph")
    with pytest.raises(DataError, match=r"ONNX|four axes"):
        take_nhwc(tmp_path / "m.onnx", tmp_path / "t.onnx")
