"""FleetNet against a second implementation in NumPy, and counts worked out by hand."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.measure.counts import count
from fleetfoot.nets import fleetnet
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.fleetnet import ConvNorm, scaled_channels
from fleetfoot.nets.portable import save_portable
from fleetfoot.passes.fold_batch_norm import fold_batch_norm

Array = np.ndarray


def naive_conv(x: Array, weight: Array) -> Array:
    """3x3 convolution of a map (C, H, W), zeros around it, one filter tap at a time."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((weight.shape[0], height, width))
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + height, j : j + width]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], window)
    return out


def naive_halves(x: Array) -> Array:
    """Maximum of 2x2 blocks; a block at an odd edge is smaller."""
    _, height, width = x.shape
    blocks = [
        [x[:, i : i + 2, j : j + 2].max(axis=(1, 2)) for j in range(0, width, 2)]
        for i in range(0, height, 2)
    ]
    return np.array(blocks).transpose(2, 0, 1)


def naive_layer(x: Array, state: dict[str, Array], name: str, *, halve: bool) -> Array:
    """Convolution, maximum, norm, GELU, in the order of training."""
    x = naive_conv(x, state[f"{name}.conv.weight"])
    if halve:
        x = naive_halves(x)
    scale, shift, mean, var = (
        state[f"{name}.norm.{key}"][:, None, None]
        for key in ("weight", "bias", "running_mean", "running_var")
    )
    return naive_gelu((x - mean) / np.sqrt(var + 1e-5) * scale + shift)


def naive_gelu(x: Array) -> Array:
    """x times the share of a normal distribution below x."""
    return x * np.vectorize(lambda value: (1 + math.erf(value / math.sqrt(2))) / 2)(x)


def naive_fleetnet(x: Array, state: dict[str, Array]) -> Array:
    """Logits of one image (C, H, W)."""
    x = naive_gelu(naive_conv(x, state["stem.conv.weight"]))
    for stage in range(3):
        x = naive_layer(x, state, f"stages.{stage}.halving", halve=True)
        x = naive_layer(x, state, f"stages.{stage}.keeping", halve=False)
    pooled = x.max(axis=(1, 2)) / 8
    return state["classifier.weight"] @ pooled + state["classifier.bias"]


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = create(name, num_classes=5, width=0.5).double().eval()
    for key, buffer in net.state_dict().items():
        if key.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif key.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
        elif key.endswith("norm.bias"):
            buffer.normal_(std=0.1)
    x = torch.randn(2, 3, 17, 12, dtype=torch.float64)
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    expected = np.stack([naive_fleetnet(image, state) for image in x.numpy()])
    with torch.no_grad():
        np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["fleetnet", "fleetnet_small"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


@pytest.mark.parametrize("name", ["fleetnet", "fleetnet_small"])
def test_counts_by_hand(name: str) -> None:
    first, second, third = {"fleetnet": (64, 256, 256), "fleetnet_small": (64, 64, 128)}[name]
    widths = (32, first, second, third)
    params, macs = 3 * 9 * 32 + third * 10 + 10, 3 * 9 * 32 * 32 * 32 + third * 10
    for stage, (wide, out) in enumerate(pairwise(widths)):
        side = 32 // 2**stage
        params += 9 * wide * out + 9 * out * out + 4 * out
        macs += 9 * (wide * out * side**2 + out * out * (side // 2) ** 2)
    assert (entry(name).params, entry(name).macs) == (params, macs)


def test_the_two_orders_of_pool_and_norm_are_one_function() -> None:
    torch.manual_seed(0)
    layer = ConvNorm(4, 8, halve=True)
    x = torch.randn(16, 4, 9, 9)
    for _ in range(3):
        layer(x)
    layer.eval()
    trained_order = layer.act(layer.norm(layer.pool(layer.conv(x))))
    torch.testing.assert_close(layer(x), trained_order)
    assert not layer.norm.weight.requires_grad
    assert (layer.norm.weight == 1).all()


def test_a_halving_layer_starts_as_a_copy() -> None:
    layer = ConvNorm(4, 8, halve=True)
    x = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(layer.conv(x)[:, :4], x)


def settled(**options: object) -> nn.Module:
    """A narrow network whose norms have seen images."""
    torch.manual_seed(0)
    net = create("fleetnet", width=0.25, **options)
    for _ in range(3):
        net(torch.randn(16, 3, 16, 16))
    return net.eval()


@pytest.mark.parametrize("batch", [1, 4])
def test_a_mirrored_network_averages_two_views_in_evaluation_alone(batch: int) -> None:
    both, x = settled(mirrored=True), torch.randn(batch, 3, 16, 16)
    one = settled()
    torch.testing.assert_close(both(x), (one(x) + one(x.flip(3))) / 2)
    torch.testing.assert_close(both(x), both(x.flip(3)))
    assert (one(x) - both(x)).abs().max() > 1e-4
    assert len(both.forward_features(x)[-1]) == batch
    torch.testing.assert_close(both.train()(x), one.train()(x))


def test_a_mirrored_network_takes_twice_the_work() -> None:
    one, both = (count(create("fleetnet", mirrored=m), (3, 32, 32)) for m in (False, True))
    assert both.macs - 2560 == 2 * (one.macs - 2560)  # the classifier is asked once
    assert both.uncounted == ()


def test_a_mirrored_network_is_folded_exported_and_saved(tmp_path: Path) -> None:
    net, x = settled(mirrored=True), torch.randn(3, 3, 16, 16)
    folded = fold_batch_norm(net)
    assert len(folded.changed) == 6
    torch.testing.assert_close(folded.model(x), net(x), rtol=1e-4, atol=1e-5)
    file = export_onnx(folded.model, tmp_path / "net.onnx", image=(3, 16, 16))
    for engine in ("onnxruntime", "openvino"):
        found = open_engine(file, engine=engine).run(x[:1].numpy())
        np.testing.assert_allclose(found, net(x[:1]).detach().numpy(), rtol=1e-3, atol=1e-4)
    save_portable(tmp_path / "weights", net)
    assert torch.equal(create(f"local:{tmp_path / 'weights'}").eval()(x), net(x))


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_stem(channels: int) -> None:
    torch.manual_seed(0)
    net = create("fleetnet", in_chans=channels, frozen_stem=True)
    images = torch.randn(200, channels, 12, 12).cumsum(dim=3)  # neighbours are alike
    net.whiten_stem(images)
    weight = net.stem.conv.weight
    assert not weight.requires_grad
    kept = min(16, 9 * channels)
    torch.testing.assert_close(weight[:kept], -weight[16 : 16 + kept])
    answers = F.conv2d(images, weight[:kept]).transpose(0, 1).flatten(1)
    second_moments = answers @ answers.T / answers.shape[1]
    off_diagonal = second_moments - torch.diag(second_moments.diagonal())
    assert off_diagonal.abs().max() < 0.01
    assert second_moments.diagonal().min() > 0.9


def test_whitening_a_part_of_the_images_at_a_time_gives_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = torch.randn(50, 3, 12, 12, generator=torch.Generator().manual_seed(0)).cumsum(dim=3)
    whole = fleetnet._mean_products(images, 27)
    patches = F.unfold(images.double(), 3).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(whole, patches.T @ patches / len(patches))
    monkeypatch.setattr(fleetnet, "PATCH_BYTES", 7 * 8 * 27 * 144)  # seven images
    torch.testing.assert_close(fleetnet._mean_products(images, 27), whole, rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [1, 8, 9, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_takes_small_images(size: int, channels: int) -> None:
    net = create("fleetnet_small", in_chans=channels, width=0.25).eval()
    assert net(torch.randn(2, channels, size, size)).shape == (2, 10)


def test_width_scales_every_layer() -> None:
    assert scaled_channels(64, 0.01) == 32
    assert scaled_channels(128, 1.5) == 192
    narrow, plain = (create("fleetnet", width=width) for width in (0.5, 1.0))
    sizes = [sum(p.numel() for p in net.parameters()) for net in (narrow, plain)]
    assert sizes[0] < 0.3 * sizes[1]


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_refuses_a_width_of_nothing(width: float) -> None:
    with pytest.raises(UsageError, match=f"^width={width} is not above 0$"):
        create("fleetnet_small", width=width)
