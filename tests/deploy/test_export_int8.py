from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import DataError
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_int8 import export_int8
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.names import GRAPH_ENGINES


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


class Maxima(nn.Module):
    """The largest value of each channel, scaled, as FleetNet's head takes it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.amax(dim=(2, 3)) * 0.125


@pytest.mark.parametrize(
    "pool", [Maxima(), nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())], ids=["amax", "pool"]
)
def test_engines_agree_behind_the_maximum_of_a_map(pool: nn.Module, tmp_path: Path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.GELU(), pool, nn.Linear(16, 10)).eval()
    graph = export_onnx(net, tmp_path / "m.onnx", image=(1, 8, 8))
    x = np.random.default_rng(0).standard_normal((16, 1, 8, 8)).astype(np.float32)
    file = export_int8(graph, tmp_path / "q.onnx", inputs=x)
    engines = {name: open_engine(file, engine=name, precision="int8") for name in GRAPH_ENGINES}
    first, second = (engine.run(x) for engine in engines.values())
    assert all("int8" in engine.actual_precision for engine in engines.values())
    np.testing.assert_allclose(first, second, atol=0.01 * first.std())


def test_no_images_no_int8(graph: Path, tmp_path: Path):
    with pytest.raises(DataError, match="needs calibration images"):
        export_int8(graph, tmp_path / "q.onnx", inputs=np.empty((0, 3, 24, 24), np.float32))
