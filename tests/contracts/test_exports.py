"""The battery of the export formats over every registered network."""

import copy
from pathlib import Path

import numpy as np
import torch

from fleetfoot.core.trace import trace
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create, skeleton
from tests.contracts.subjects import pixels_for, randomise

WELL_CONDITIONED = 3e-5
ILL_CONDITIONED = 3e-4


def test_engines_agree_with_the_network(exported_net: str, tmp_path: Path) -> None:
    """ONNX Runtime and OpenVINO, float32, at a small size, on several images.

    An engine may differ from torch by three times what torch differs from float64, and by 1e-4 in
    any case; OpenVINO, whose error function is an approximation, by 1e-3.
    """
    channels, *_, published = entry(exported_net).input
    torch.manual_seed(0)
    net = randomise(create(exported_net))
    shape = (channels, *2 * (pixels_for(net, max(65, published // 6 | 1)),))
    x = np.random.default_rng(0).standard_normal((2, *shape), dtype=np.float32)
    expected, rounding = outputs(net, x)
    if rounding > WELL_CONDITIONED:  # some grow so much by random norms that float32 is no guide
        net = calibrate_norms(net, shape)
        expected, rounding = outputs(net, x)
    assert rounding < ILL_CONDITIONED, "the network tells nothing about its exports"
    file = export_onnx(net, tmp_path / "net.onnx", image=shape)
    for name, bound in (("onnxruntime", 1e-4), ("openvino", 1e-3)):
        engine = open_engine(file, engine=name)
        got = np.concatenate([engine.run(image[None]) for image in x])
        assert difference(got, expected) <= max(bound, 3 * rounding), name


@torch.no_grad()
def outputs(net: torch.nn.Module, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the outputs in float32 and how far they are from those in float64."""
    images = torch.from_numpy(x)
    exact = copy.deepcopy(net).double()(images.double()).numpy()
    single = net(images).numpy()
    return single, difference(single, exact)


def difference(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference as a share of the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def test_can_be_traced(light_net: str) -> None:
    net = skeleton(light_net).eval()
    traced = trace(net)
    size = pixels_for(net, 48)
    x = torch.empty(1, entry(light_net).input[0], size, size, device="meta")
    assert traced(x).shape == net(x).shape
