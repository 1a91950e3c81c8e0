"""The MNIST network of the batch norm paper: matrix products in NumPy, and counts by hand."""

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from tests.contracts.subjects import randomise


def naive(pixels: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """Return the logits of one flattened image, layer by layer as the paper writes them."""
    u = pixels
    for layer in range(3):
        part = {k.removeprefix(f"stages.{layer}."): v for k, v in state.items()}
        u = part["conv.weight"][:, :, 0, 0] @ u + part.get("conv.bias", 0.0)
        if "norm.weight" in part:
            u = (u - part["norm.running_mean"]) / np.sqrt(part["norm.running_var"] + 1e-5)
            u = u * part["norm.weight"] + part["norm.bias"]
        u = 1 / (1 + np.exp(-u))
    return state["classifier.weight"] @ u + state["classifier.bias"]


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(name, in_chans=1).double())
    for key, value in net.state_dict().items():
        if key.endswith("bias"):
            value.normal_()
    x = torch.randn(3, 1, 28, 28, dtype=torch.float64)
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    expected = np.stack([naive(image, state) for image in x.flatten(1).numpy()])
    with torch.no_grad():
        np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["mnist_sigmoid", "mnist_sigmoid_bn"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


def test_counts_by_hand() -> None:
    plain, normed = entry("mnist_sigmoid"), entry("mnist_sigmoid_bn")
    weights = 784 * 100 + 2 * 100 * 100
    assert plain.params == weights + 3 * 100 + 100 * 10 + 10 == 99_710
    assert normed.params == weights + 3 * 200 + 100 * 10 + 10 == 100_010
    assert plain.macs == normed.macs == weights + 100 * 10


def test_takes_one_size() -> None:
    net = create("mnist_sigmoid", in_chans=1)
    with pytest.raises(ShapeError, match="takes 28 x 28 images, got 29 x 28"):
        net(torch.rand(1, 1, 29, 28))
    assert create("mnist_sigmoid", in_chans=3, size=8)(torch.rand(1, 3, 8, 8)).shape == (1, 10)


def test_first_weights() -> None:
    net = create("mnist_sigmoid", in_chans=1)
    assert net.stages[0].conv.weight.std().item() == pytest.approx(0.1, rel=0.05)
    assert net.stages[0].conv.bias.abs().max() == 0
    assert create("mnist_sigmoid_bn").stages[0].conv.bias is None


def test_refuses_no_size() -> None:
    with pytest.raises(UsageError, match="size=0 is too small: give at least 1"):
        create("mnist_sigmoid", size=0)
