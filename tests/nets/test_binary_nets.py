"""QNN's binary networks: sums of signs in NumPy, a layer at a time, and counts by hand."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from tests.contracts.subjects import randomise

NAMES = ("bnn_mnist", "bnn_mnist_4096", "bnn_cifar10", "bnn_svhn", "bnn_alexnet")
POOLS = {"bnn_cifar10": {1: (2, 2), 3: (2, 2), 5: (2, 2)}, "bnn_mnist": {}, "bnn_mnist_4096": {}}
POOLS["bnn_svhn"] = POOLS["bnn_cifar10"]
POOLS["bnn_alexnet"] = {0: (3, 2), 1: (3, 2), 4: (3, 2)}
STRIDES = {"bnn_alexnet": {0: (4, 2), 1: (1, 2)}}  # and padding


def bits(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1.0, -1.0)


def norm(x_NC: np.ndarray, state: dict[str, np.ndarray], path: str) -> np.ndarray:
    """Batch norm of the last axis, with the paper's eps."""
    mean, variance, weight, bias = (
        state[f"{path}.norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x_NC - mean) / np.sqrt(variance + 1e-4) * weight + bias


def windows(x_HWC: np.ndarray, side: int, step: int) -> np.ndarray:
    return sliding_window_view(x_HWC, (side, side), axis=(0, 1))[::step, ::step]  # HWCkk


def naive(image_CHW: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return the logits of one image."""
    x = image_CHW.transpose(1, 2, 0)
    for layer in range(sum(key.endswith("conv.weight") for key in state)):
        path = f"stages.{layer}"
        weight = bits(state[f"{path}.conv.weight"])
        kernel = weight.shape[-1]
        stride, padding = STRIDES.get(name, {}).get(layer, (1, kernel // 2))
        padded = np.pad(x, ((padding,) * 2, (padding,) * 2, (0, 0)))
        x = np.einsum("hwckl,ockl->hwo", windows(padded, kernel, stride), weight, optimize=True)
        if layer in POOLS[name]:
            x = windows(x, *POOLS[name][layer]).max(axis=(3, 4))
        x = bits(norm(x, state, path))
    row = x.transpose(2, 0, 1).reshape(-1)
    for layer in range(sum("hidden" in key and "linear" in key for key in state)):
        path = f"hidden.{layer}"
        row = bits(norm(bits(state[f"{path}.linear.weight"]) @ row, state, path))
    return norm(bits(state["classifier.linear.weight"]) @ row, state, "classifier")


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    channels, side, _ = entry(name).input
    net = randomise(create(name, in_chans=channels).double())
    x = torch.randn(1, channels, side, side, dtype=torch.float64)
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    with torch.no_grad():
        found = net(x)[0].numpy()
    np.testing.assert_allclose(found, naive(x[0].numpy(), state, name), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["bnn_mnist", "bnn_svhn"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


def test_counts_by_hand() -> None:
    """The sheet's counts of binary weights, and two values of a norm for each of its channels."""
    weights = {
        "bnn_mnist": 10_014_720,
        "bnn_mnist_4096": 36_806_656,
        "bnn_cifar10": 14_022_016,
        "bnn_svhn": 6_397_632,
        "bnn_alexnet": 77_160_512,
    }
    norms = {
        "bnn_mnist": 3 * 2048 + 10,
        "bnn_mnist_4096": 3 * 4096 + 10,
        "bnn_cifar10": 2 * (128 + 256 + 512 + 1024) + 10,
        "bnn_svhn": 2 * (64 + 128 + 256 + 1024) + 10,
        "bnn_alexnet": 192 + 576 + 1152 + 768 + 256 + 2 * 4096 + 1000,
    }
    assert {name: entry(name).params for name in NAMES} == {
        name: weights[name] + 2 * norms[name] for name in NAMES
    }
    assert entry("bnn_mnist").macs == weights["bnn_mnist"]
    layers = (3_456, 147_456, 294_912, 589_824, 1_179_648, 2_359_296, 8_388_608, 1_048_576, 10_240)
    net = create("bnn_cifar10")
    found = [p.numel() for name, p in net.named_parameters() if "norm" not in name]
    assert tuple(found) == layers


def test_between_layers_there_are_bits_alone() -> None:
    torch.manual_seed(0)
    maps = create("bnn_svhn").eval().forward_features(torch.randn(2, 3, 32, 32))
    assert all(set(x.unique().tolist()) == {-1.0, 1.0} for x in maps)


def test_bits_are_drawn_in_training_where_asked_for() -> None:
    torch.manual_seed(0)
    net = create("bnn_mnist", in_chans=1, stochastic=True)
    x = torch.randn(8, 1, 28, 28)
    assert not torch.equal(net.forward_pooled(x), net.forward_pooled(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_a_size_of_ones_own_and_what_is_too_small() -> None:
    assert create("bnn_cifar10", size=16)(torch.randn(2, 3, 16, 16)).shape == (2, 10)
    with pytest.raises(ShapeError, match="takes 28 x 28 images, got 32 x 32"):
        create("bnn_mnist")(torch.randn(1, 3, 32, 32))
    with pytest.raises(UsageError, match="size=4 is too small: no position is left"):
        create("bnn_cifar10", size=4)
    with pytest.raises(UsageError, match=r"pad_value=2\.0 is not offered"):
        create("bnn_cifar10", pad_value=2)
