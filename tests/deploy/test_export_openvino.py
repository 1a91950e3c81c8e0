from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.export_openvino import export_openvino


def test_ir_equals_network_and_keeps_float32_weights(subject, tmp_path: Path):
    graph = export_onnx(subject.net, tmp_path / "m.onnx", image=(3, 24, 24))
    file = export_openvino(graph, tmp_path / "m.xml")
    params = sum(p.numel() for p in subject.net.parameters())
    assert (tmp_path / "m.bin").stat().st_size >= 4 * params
    engine = open_engine(file, engine="openvino")
    x = subject.preprocess.normalise(subject.crops)
    np.testing.assert_allclose(engine.run(x), subject.logits, atol=1e-5)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path):
    (tmp_path / "m.onnx").write_bytes(b"not a graph")
    with pytest.raises(DataError, match="cannot read it as ONNX"):
        export_openvino(tmp_path / "m.onnx", tmp_path / "m.xml")
