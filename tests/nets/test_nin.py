"""NIN against NumPy written from the released tables, and the counts of the sheet by hand."""

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.nin import NINSpec, Row
from tests.nets.naive_layers import Array, conv, max_pool_3_2, relu

# Kernel and channels of every layer of a block, as the sheet has them; None is the classes.
TABLES = {
    "nin_cifar10": ((5, 192, 160, 96), (5, 192, 192, 192), (3, 192, 192, None)),
    "nin_cifar100": ((5, 192, 160, 96), (5, 192, 192, 192), (3, 192, 192, None)),
    "nin_svhn": ((5, 128, 96, 64), (5, 320, 256, 128), (5, 384, 256, None)),
    "nin_mnist": ((5, 96, 64, 48), (5, 128, 96, 48), (5, 128, 96, None)),
    "nin_imagenet": (
        (11, 96, 96, 96),
        (5, 256, 256, 256),
        (3, 384, 384, 384),
        (3, 1024, 1024, None),
    ),
}


def naive_nin(x: Array, tensors: list[Array], name: str, *, logit_relu: bool = True) -> Array:
    """Return the logits of one image; ``tensors`` are weight, bias, weight, bias, ..."""
    left = iter(tensors)
    for block, (side, *widths) in enumerate(TABLES[name]):
        x = max_pool_3_2(x) if block else x
        for layer, width in enumerate(widths):
            weight, bias = next(left), next(left)
            assert weight.shape[2] == (1 if layer else side)
            assert width in (None, len(weight))
            first = side == 11 and layer == 0
            pad = 0 if first else weight.shape[2] // 2
            x = conv(x, weight, bias, stride=4 if first else 1, pad=pad)
            x = relu(x) if logit_relu or width else x
    return x.mean(axis=(1, 2))


def check_against_naive(name: str, *, logit_relu: bool = True) -> None:
    torch.manual_seed(0)
    net = create(name, num_classes=7, in_chans=3, logit_relu=logit_relu).double().eval()
    tensors = [p.normal_(std=(2 / p[0].numel()) ** 0.5).numpy() for p in net.state_dict().values()]
    size = (43, 51) if name == "nin_imagenet" else (11, 8)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = [naive_nin(image, tensors, name, logit_relu=logit_relu) for image in x.numpy()]
    with torch.no_grad():
        got = net(x)
    assert got.std() > 0.01
    np.testing.assert_allclose(got.numpy(), np.stack(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in TABLES if n != "nin_imagenet"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)
    check_against_naive(name, logit_relu=False)


@pytest.mark.parametrize("name", TABLES)
def test_counts_by_hand(name: str) -> None:
    known = entry(name)
    sides = {"nin_mnist": (28, 14, 7), "nin_imagenet": (54, 27, 13, 6)}.get(name, (32, 16, 8))
    wide, params, macs = known.input[0], 0, 0
    for side, (kernel, *widths) in zip(sides, TABLES[name]):
        for width in (width or known.classes for width in widths):
            weights = kernel * kernel * wide * width
            params, macs = params + weights + width, macs + weights * side**2
            wide, kernel = width, 1
    assert (params, macs) == (known.params, known.macs)


def test_first_weights_are_those_released() -> None:
    torch.manual_seed(0)
    for name, first in (("nin_cifar10", (0.05, 0.05, 0.05)), ("nin_cifar100", (0.001, 0.01, 0.01))):
        weights = [p for p in create(name).parameters() if p.ndim == 4]
        for weight, std in zip(weights, (*first, *[0.05] * 6), strict=True):
            assert weight.std().item() == pytest.approx(std, rel=0.1)
        assert all(p.abs().max() == 0 for p in create(name).parameters() if p.ndim == 1)


def test_maps_shrink_as_in_the_table() -> None:
    """Pools round up: 32, 16, 8 and 28, 14, 7."""
    with torch.device("meta"):
        for name, side in (("nin_cifar10", 32), ("nin_mnist", 28)):
            maps = create(name, in_chans=3).forward_features(torch.empty(1, 3, side, side))
            assert [m.shape[2] for m in maps] == [side, side // 2, side // 4]


def test_relu_on_the_class_maps() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 3, 32, 32)
    with_relu, without = (create("nin_cifar10", logit_relu=on).eval() for on in (True, False))
    without.load_state_dict(with_relu.state_dict())
    with torch.no_grad():
        assert with_relu(x).min() >= 0
        linear_of_mean = without.classifier(without.forward_pooled(x)[:, :, None, None])[:, :, 0, 0]
        torch.testing.assert_close(without(x), linear_of_mean)  # without it, mean and 1x1 commute
        assert (with_relu(x) - linear_of_mean).abs().max() > 1e-3


def test_dropout_lies_behind_the_pools() -> None:
    net = create("nin_mnist", in_chans=3)
    rates = [m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)]
    assert rates == [0.5, 0.5]
    assert [stage.dropout.p for stage in create("nin_imagenet").stages[1:]] == [0, 0, 0.5]
    x = torch.randn(2, 3, 12, 12)
    assert not torch.equal(net(x), net(x))
    still = create("nin_mnist", in_chans=3, dropout=0.0)
    assert torch.equal(still(x), still(x))


@pytest.mark.parametrize("size", [(4, 4), (5, 9), (40, 33)])
def test_takes_any_size_from_4(size: tuple[int, int]) -> None:
    assert create("nin_mnist", in_chans=3).eval()(torch.randn(1, 3, *size)).shape == (1, 10)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((Row(5, (8, 8)), Row(3, (8, 8))), "channels has 2, stds has 3"),
        ((Row(5, (8, 8, 8)), Row(3, (8, 8, 8))), "channels has 4, stds has 3"),
    ],
)
def test_every_layer_has_a_spread(rows: tuple[Row, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        NINSpec(rows=rows)


def test_smallest_image_of_the_unpadded_network() -> None:
    with torch.device("meta"):
        net = create("nin_imagenet").eval()
        assert net.min_size == 39
        assert net.forward_features(torch.empty(1, 3, 39, 39))[-1].shape[2:] == (1, 1)
        with pytest.raises(RuntimeError):
            net(torch.empty(1, 3, 38, 38))


def test_the_network_that_is_not_in_the_paper() -> None:
    assert entry("nin_imagenet").paper.startswith("not in the paper")
    assert entry("nin_cifar10").paper == "arXiv:1312.4400"
