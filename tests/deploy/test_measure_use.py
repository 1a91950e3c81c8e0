"""Figures of use: they are of the form that was chosen, for colour and for grey."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy import measure_use
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.measure_use import figures_of_use
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.tune import Candidate
from fleetfoot.measure.latency import Schedule


@pytest.mark.parametrize(
    ("channels", "largest", "pixels"), [(1, 65_500, [40, 30]), (3, 20, [20, 15])]
)
def test_a_picture_of_any_size_goes_the_whole_way(
    tmp_path: Path,
    instant: Schedule,
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    largest: int,
    pixels: list[int],
) -> None:
    monkeypatch.setattr(measure_use, "LARGEST_SIDE", largest)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    graph = export_onnx(net, tmp_path / "m.onnx", image=(channels, 8, 8))
    found = figures_of_use(
        Candidate(
            engine="onnxruntime", precision="float32", layout="nchw", threads=1, file=graph.name
        ),
        tmp_path,
        form=GraphForm(),
        preprocess=Preprocess(
            8, 1.0, "bilinear", (0.0,) * channels, (255.0,) * channels, channels=channels
        ),
        picture=np.zeros((30, 40, channels), np.uint8),
        fresh=[CellTiming(name="m", open_ms=ms) for ms in (100.0, None, 900.0, 123.0)],
        options=Options(schedule=instant),
    )
    assert found.pop("end_to_end_ms_p50") > 0
    assert found == {
        "cold_start_ms": 123.0,
        "picture_pixels": pixels,
        "graph_bytes": graph.stat().st_size,
    }
