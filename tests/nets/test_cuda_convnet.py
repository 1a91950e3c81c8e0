"""The small CIFAR-10 networks: a second implementation in NumPy, counts by hand, first weights."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.cuda_convnet import VARIANTS, CudaConvnetSpec, Layer
from fleetfoot.ops.local_response_norm import LocalResponseNorm
from fleetfoot.ops.locally_connected import LocallyConnected2d

Array = np.ndarray
NAMES = [f"cuda_convnet_{name}" for name in VARIANTS]
FILES = {  # layer by layer, in the order of the layer files
    "26": "conv max act conv act avg conv act avg linear act linear",
    "18": "conv max act space conv act avg space conv act avg linear",
    "13": "conv act max conv act max local act local act linear",
    "13_lrn": "conv act max lrn conv act lrn max local act local act linear",
    "11": "conv act max lrn conv act lrn max local act local act linear",
    "11_no_lrn": "conv act max conv act max local act local act linear",
}


def conv(x: Array, weight: Array, bias: Array) -> Array:
    """5x5, two zeros around, one filter tap at a time."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    out = np.zeros((len(weight), height, width)) + bias[:, None, None]
    for i, j in np.ndindex(5, 5):
        out += np.einsum(
            "oc,chw->ohw", weight[:, :, i, j], padded[:, i:][:, :height, j : j + width]
        )
    return out


def local(x: Array, weight: Array, bias: Array) -> Array:
    """3x3, one zero around, filters of each position."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.empty((weight.shape[2], height, width))
    for i, j in np.ndindex(height, width):
        out[:, i, j] = weight[i, j] @ padded[:, i : i + 3, j : j + 3].reshape(-1) + bias[i, j]
    return out


def pool(x: Array, reduce: Callable[..., Array]) -> Array:
    """Windows of 3x3, stride 2, smaller where they hang over the edge."""
    steps = [range(0, size - 1, 2) for size in x.shape[1:]]
    rows = [[reduce(x[:, i : i + 3, j : j + 3], axis=(1, 2)) for j in steps[1]] for i in steps[0]]
    return np.array(rows).transpose(2, 0, 1)


def lrn(x: Array) -> Array:
    """Nine channels, alpha 0.001 / 9, beta 0.75, k 1."""
    sums = [(x[max(0, c - 4) : c + 5] ** 2).sum(axis=0) for c in range(len(x))]
    return x / (1 + 0.001 / 9 * np.array(sums)) ** 0.75


def space(x: Array) -> Array:
    """Windows of 3x3 in one map, alpha 0.00005 / 9, beta 0.75, k 1."""
    _, height, width = x.shape
    squares = np.pad(x, ((0, 0), (1, 1), (1, 1))) ** 2
    sums = sum(squares[:, i : i + height, j : j + width] for i, j in np.ndindex(3, 3))
    return x / (1 + 0.00005 / 9 * sums) ** 0.75


def naive(x: Array, parameters: list[Array], file: str, act: Callable[[Array], Array]) -> Array:
    """Logits of one image (C, H, W); weights and biases in order."""
    own = iter(parameters)
    steps: dict[str, Callable[[Array], Array]] = {
        "conv": lambda x: conv(x, next(own), next(own)),
        "local": lambda x: local(x, next(own), next(own)),
        "linear": lambda x: next(own) @ x.reshape(-1) + next(own),
        "max": lambda x: pool(x, np.max),
        "avg": lambda x: pool(x, np.mean),
        "act": act,
        "lrn": lrn,
        "space": space,
    }
    for word in file.split():
        x = steps[word](x)
    return x


def check_against_naive(name: str, *, act: str = "relu", size: int | None = None) -> None:
    torch.manual_seed(0)
    net = create(name, act=act, size=size).double().eval()
    for key, value in net.state_dict().items():
        if key.endswith("bias"):
            value.normal_(std=0.1)
    scale = 1e4 if act == "relu" else 100.0  # first weights are tiny; the norms need large numbers
    x = scale * torch.randn(2, 3, net.only_size, net.only_size, dtype=torch.float64)
    parameters = [value.numpy() for value in net.state_dict().values()]
    function = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh}[act]
    file = FILES[name.removeprefix("cuda_convnet_")]
    expected = np.stack([naive(image, parameters, file, function) for image in x.numpy()])
    with torch.no_grad():
        np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-9, atol=1e-9)
    assert expected.std() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_with_tanh_and_at_another_size(name: str) -> None:
    check_against_naive(name, act="tanh", size=17)


@pytest.mark.parametrize("name", NAMES)
def test_counts_by_hand(name: str) -> None:
    variant = name.removeprefix("cuda_convnet_")
    if variant in ("26", "18"):
        weights = {32: 75 * 32, 16: 800 * 32, 8: 800 * 64}  # by side of the map: 32, 16, 8, then 4
        linear = [1024 * 64, 640] if variant == "26" else [10_240]
        biases = 128 + (74 if variant == "26" else 10)
        unshared = 0
    else:
        weights = {24: 75 * 64, 12: 1600 * 64}  # 24, 12, then 6
        width = 64 if "11" in variant else 32
        unshared = 36 * (576 * width + 9 * width * 32)
        biases = 128 + 36 * (width + 32) + 10
        linear = [11_520]
    assert entry(name).params == sum(weights.values()) + unshared + sum(linear) + biases
    shared_macs = sum(side**2 * count for side, count in weights.items())
    assert entry(name).macs == shared_macs + unshared + sum(linear)


@pytest.mark.parametrize(("name", "params"), [("13", 1_116_490), ("11", 2_112_970)])
def test_counts_of_the_sheet(name: str, params: int) -> None:
    assert VARIANTS[name].params == params


@pytest.mark.parametrize(("size", "sides"), [(24, (12, 6)), (25, (12, 6)), (32, (16, 8))])
def test_sizes_round_up(size: int, sides: tuple[int, int]) -> None:
    net = create("cuda_convnet_13", size=size)
    x = torch.zeros(1, 3, size, size)
    assert (net.stem(x).shape[-1], net.forward_features(x)[0].shape[-1]) == sides


def test_a_fair_four() -> None:
    """Two networks of local layers, each with and without LRN; nothing else differs."""
    nets = {name: create(f"cuda_convnet_{name}") for name in FILES if name not in ("26", "18")}
    norms = {
        n: [m for m in net.modules() if isinstance(m, LocalResponseNorm)] for n, net in nets.items()
    }
    assert {name: len(found) for name, found in norms.items()} == {
        "13": 0, "13_lrn": 2, "11": 2, "11_no_lrn": 0,
    }  # fmt: skip
    shapes = {name: [p.shape for p in net.parameters()] for name, net in nets.items()}
    assert shapes["13"] == shapes["13_lrn"]
    assert shapes["11"] == shapes["11_no_lrn"]


@pytest.mark.parametrize("name", NAMES)
def test_first_weights(name: str) -> None:
    torch.manual_seed(0)
    net = create(name)
    kinds = (nn.Conv2d, LocallyConnected2d, nn.Linear)
    layers = [module for module in net.modules() if isinstance(module, kinds)]
    last = {"26": [0.01, 0.1, 0.1], "18": [0.01, 0.01]}
    stds = [1e-4, 0.01, *last.get(name.removeprefix("cuda_convnet_"), [0.04, 0.04, 0.01])]
    assert len(layers) == len(stds)
    for layer, std in zip(layers, stds):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.1)
        assert layer.bias.abs().max() == 0


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Layer("dense", 8, 0.1), "kind='dense' is not offered: take 'conv' or 'local'"),
        (Layer("conv", 8, 0.1, ("norm",)), "after='norm' is not offered: take 'max', 'avg'"),
    ],
)
def test_a_spec_refuses_other_words(layer: Layer, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CudaConvnetSpec(layers=(layer,))


def test_refuses() -> None:
    with pytest.raises(UsageError, match="act='gelu' is not offered: take 'relu' or 'tanh'"):
        create("cuda_convnet_26", act="gelu")
    with pytest.raises(UsageError, match=r"size=7 is too small: give at least 8"):
        create("cuda_convnet_26", size=7)
    with pytest.raises(ShapeError, match="24 x 24 images, got 32 x 32"):
        create("cuda_convnet_13")(torch.zeros(1, 3, 32, 32))
