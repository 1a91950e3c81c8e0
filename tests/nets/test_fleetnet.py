"""FleetNet against a second implementation in NumPy, and counts worked out by hand."""

import numpy as np
import pytest
import torch

from fleetfoot.nets.create import create
from fleetfoot.nets.fleetnet import scaled_channels

Array = np.ndarray


def naive_unit(x: Array, state: dict[str, Array], name: str) -> Array:
    """3x3 convolution, batch norm, ReLU of a map (C, H, W), one filter tap at a time."""
    weight = state[f"{name}.conv.weight"]
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((weight.shape[0], height, width))
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + height, j : j + width]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], window)
    norm = {
        key: state[f"{name}.norm.{key}"][:, None, None]
        for key in ("weight", "bias", "running_mean", "running_var")
    }
    scaled = (out - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5)
    return np.maximum(scaled * norm["weight"] + norm["bias"], 0)


def naive_pool(x: Array) -> Array:
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    corners = [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    return np.maximum.reduce(corners)


def naive_fleetnet(x: Array, state: dict[str, Array]) -> Array:
    """Logits of one image (C, H, W); the stages are read off the names."""
    x = naive_unit(x, state, "stem")
    stages = sorted({int(key.split(".")[1]) for key in state if key.startswith("stages.")})
    for stage in stages:
        x = naive_pool(naive_unit(x, state, f"stages.{stage}.0"))
        pair = f"stages.{stage}.2"
        if f"{pair}.first.conv.weight" in state:
            branch = naive_unit(x, state, f"{pair}.first")
            x = x + naive_unit(branch, state, f"{pair}.second")
    return state["classifier.weight"] @ x.mean(axis=(1, 2)) + state["classifier.bias"]


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = create(name, num_classes=5, width=0.25).double().eval()
    for key, buffer in net.state_dict().items():
        if key.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif key.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    x = torch.randn(2, 3, 17, 12, dtype=torch.float64)
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    expected = np.stack([naive_fleetnet(image, state) for image in x.numpy()])
    with torch.no_grad():
        np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["fleetnet", "fleetnet_small"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


@pytest.mark.parametrize("size", [8, 9, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_takes_small_images(size: int, channels: int) -> None:
    net = create("fleetnet_small", in_chans=channels, width=0.25).eval()
    assert net(torch.randn(2, channels, size, size)).shape == (2, 10)


def test_width_scales_every_layer() -> None:
    assert scaled_channels(64, 0.01) == 16
    assert scaled_channels(128, 1.5) == 192
    narrow, plain = (create("fleetnet_small", width=width) for width in (0.5, 1.0))
    sizes = [sum(p.numel() for p in net.parameters()) for net in (narrow, plain)]
    assert sizes[0] < 0.3 * sizes[1]
