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


def test_engines_agree_with_the_network(exported_net: str, tmp_path: Path) -> None:
    """ONNX Runtime and OpenVINO, float32, at a small size, on several images.

    The norms get statistics of their own activations: with any others those of EfficientNet-B7
    grow until float32 itself is wrong by a tenth. Its last map needs more than nine positions for
    that, hence a size that follows the published one. An engine may differ from torch by three
    times what torch differs from float64, and by 1e-4 in any case; OpenVINO, whose error function
    is an approximation, by 1e-3.
    """
    torch.manual_seed(0)
    net = randomise(create(exported_net))
    channels, *_, published = entry(exported_net).input
    shape = (channels, *2 * (pixels_for(net, max(65, published // 6 | 1)),))
    net = calibrate_norms(net, shape)
    file = export_onnx(net, tmp_path / "net.onnx", image=shape)
    x = np.random.default_rng(0).standard_normal((2, *shape), dtype=np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
        exact = copy.deepcopy(net).double()(torch.from_numpy(x).double()).numpy()
    rounding = difference(expected, exact)
    assert rounding < 3e-4, "the network is too ill conditioned to tell anything"
    for name, bound in (("onnxruntime", 1e-4), ("openvino", 1e-3)):
        engine = open_engine(file, engine=name)
        got = np.concatenate([engine.run(image[None]) for image in x])
        assert difference(got, expected) <= max(bound, 3 * rounding), name


def difference(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference as a share of the largest expected value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def test_can_be_traced(net_name: str) -> None:
    net = skeleton(net_name).eval()
    traced = trace(net)
    size = pixels_for(net, 48)
    x = torch.empty(1, entry(net_name).input[0], size, size, device="meta")
    assert traced(x).shape == net(x).shape
