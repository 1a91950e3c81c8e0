"""What int8 is calibrated on can be read in its graph: the range of the input."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.measure.latency import Schedule
from fleetfoot.recipes.deploy_trained import NOISE_IMAGES, deploy_trained

INSTANT = Schedule(min_samples=4, min_seconds=0.0, rounds=2, warm_up_seconds=0.0)


def split(name: str, brightest: int) -> Split:
    """Return eight images whose brightest pixel is known."""

    def read(key: str) -> NDArray[np.uint8]:
        draw = np.random.default_rng(int(key))
        pixels = draw.integers(0, brightest + 1, (8, 8, 3), dtype=np.uint8)
        pixels[0, 0] = brightest
        return pixels

    return Split(name, tuple(Sample(i, str(i), i % 2) for i in range(8)), read)


@pytest.mark.parametrize(
    ("gate", "training", "brightest", "images"),
    [
        (split("val", 250), split("train", 100), 100, 8),
        (split("val", 250), None, 250, 8),
        (None, None, 255, NOISE_IMAGES),
    ],
)
def test_int8_learns_its_ranges_from_training_images(
    tmp_path: Path, gate: Split | None, training: Split | None, brightest: int, images: int
):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    record = deploy_trained(
        nn.Sequential(net, nn.Linear(8, 2)),
        tmp_path / "bundle",
        preprocess=Preprocess(8, 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3),
        classes=("a", "b"),
        card=Card(net="tiny"),
        gate=gate,
        training=training,
        options=Options(
            engines=("onnxruntime",),
            precisions=("int8",),
            baselines=(),
            schedule=INSTANT,
            max_drop=1.0,
        ),
    )
    assert record.content["reference"]["images"] == images
    assert record.chosen["precision"] == "int8"
    graph = onnx.load(tmp_path / "bundle" / record.chosen["file"]).graph
    (name,) = (node.input[1] for node in graph.node if node.input[0] == graph.input[0].name)
    scale = next(onnx.numpy_helper.to_array(i) for i in graph.initializer if i.name == name)
    assert float(scale) == pytest.approx(brightest / 255, rel=0.02)


def test_a_pruned_network_is_deployed_without_its_dead_channels(tmp_path: Path):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    net.append(nn.Linear(4, 2))
    with torch.no_grad():
        net[0].weight[2:] = 0
        net[0].bias[2:] = 0
    record = deploy_trained(
        net,
        tmp_path / "bundle",
        preprocess=Preprocess(8, 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3),
        classes=("a", "b"),
        card=Card(net="tiny", more={"kept": 1}),
        gate=split("val", 250),
        training=None,
        options=Options(
            engines=("onnxruntime",), precisions=("float32",), baselines=(), schedule=INSTANT
        ),
    )
    more = record.content["more"]
    assert more["kept"] == 1
    assert more["pruned"]["density"] == {"0": 0.25, "2": 1.0, "5": 1.0}
    before, after = (more["pruned"][key] for key in ("macs_before", "macs_after"))
    assert (before, after) == (27 * 8 * 36 + 72 * 4 * 16 + 8, 27 * 2 * 36 + 18 * 4 * 16 + 8)
    graph = onnx.load(tmp_path / "bundle" / "model.onnx")
    assert max(w.dims[0] for w in graph.graph.initializer if len(w.dims) == 4) == 4
