"""Activations behind pools: OpenVINO against NumPy and torch in float64, with and without guard."""

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.export_openvino import export_openvino
from fleetfoot.deploy.guard_pools import guard_pools

FALLING = [nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish]
X = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)


def network(act: type[nn.Module], *, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=bias)
    if conv.bias is not None:
        nn.init.constant_(conv.bias, -1.5)  # where these activations fall
    return nn.Sequential(conv, nn.MaxPool2d(2), act(), nn.Flatten()).eval()


def exported(net: nn.Module, folder: Path) -> Path:
    return export_onnx(net, folder / "m.onnx", image=(3, 8, 8))


def exact(net: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return net.double()(torch.from_numpy(X).double()).numpy()


def clamps(model) -> int:
    return sum(node.get_type_name() == "Clamp" for node in model.get_ops())


QUICK = {(FALLING[0], "onnx"), (FALLING[0], "xml"), (nn.ReLU, "onnx")}
EVERY = [
    pytest.param(act, form, marks=[] if (act, form) in QUICK else pytest.mark.slow)
    for act in (*FALLING, nn.ReLU)
    for form in ("onnx", "xml")
]


@pytest.mark.parametrize(("act", "form"), EVERY)
def test_openvino_computes_what_the_network_says(act, form: str, tmp_path: Path) -> None:
    net = network(act)
    file = exported(net, tmp_path)
    if form == "xml":
        file = export_openvino(file, tmp_path / "m.xml")
    found = open_engine(file, engine="openvino").run(X)
    np.testing.assert_allclose(found, exact(net), atol=1e-5)


def test_without_guard_the_activation_is_moved(tmp_path: Path) -> None:
    """Should this fail, OpenVINO has been mended and the guard can go."""
    net = network(nn.GELU)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(exported(net, tmp_path))), "CPU")
    assert np.abs(compiled(X)[0] - exact(net)).max() > 0.01


@pytest.mark.parametrize("bias", [True, False])
def test_an_exported_graph_needs_no_second_guard(bias: bool, tmp_path: Path) -> None:
    file = export_openvino(exported(network(nn.GELU, bias=bias), tmp_path), tmp_path / "m.xml")
    model = openvino.Core().read_model(str(file))
    assert clamps(model) == 1
    assert clamps(guard_pools(model)) == 1


def test_what_commutes_is_left_alone(tmp_path: Path) -> None:
    rising = network(nn.ReLU)
    before = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten()).eval()
    for net in (rising, before):
        model = openvino.Core().read_model(str(exported(net, tmp_path)))
        assert clamps(guard_pools(model)) == 0
