"""All-CNN against NumPy written from the paper's table, and the counts of the sheet by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.allcnn import Form, cifar_spec
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from tests.nets.naive_layers import Array, conv, max_pool_3_2, relu

# Layers in words, as the sheet lists them: kernel-channels, "/2" a step of 2, "v" no padding,
# "pool" a 3x3 max pool by 2; "1-K" has one channel a class.
END = "3-192v 1-192 1-K"
TABLE = {
    "allcnn_a_base": f"5-96 pool 5-192 pool {END}",
    "allcnn_a_strided": f"5-96/2 5-192/2 {END}",
    "allcnn_a_convpool": f"5-96 3-96 pool 5-192 3-192 pool {END}",
    "allcnn_a": f"5-96 3-96/2 5-192 3-192/2 {END}",
    "allcnn_b_base": f"5-96 1-96 pool 5-192 1-192 pool {END}",
    "allcnn_b_strided": f"5-96 1-96/2 5-192 1-192/2 {END}",
    "allcnn_b_convpool": f"5-96 1-96 3-96 pool 5-192 1-192 3-192 pool {END}",
    "allcnn_b": f"5-96 1-96 3-96/2 5-192 1-192 3-192/2 {END}",
    "allcnn_c_base": f"3-96 3-96 pool 3-192 3-192 pool {END}",
    "allcnn_c_strided": f"3-96 3-96/2 3-192 3-192/2 {END}",
    "allcnn_c_convpool": f"3-96 3-96 3-96 pool 3-192 3-192 3-192 pool {END}",
    "allcnn_c": f"3-96 3-96 3-96/2 3-192 3-192 3-192/2 {END}",
    "allcnn_b_imagenet": "11-96/4 1-96 3-96/2 5-256 1-256 3-256/2 3-384 1-384 3-384/2 3-1024 "
    "1-1024 1-K",
}
SMALL = [name for name in TABLE if name != "allcnn_b_imagenet"]


def parsed(word: str) -> tuple[int, str, int, int]:
    """Return kernel, channels, stride and padding."""
    kernel, _, rest = word.partition("-")
    channels, _, stride = rest.rstrip("v").partition("/")
    return int(kernel), channels, int(stride or 1), 0 if "v" in rest else int(kernel) // 2


def naive_allcnn(x: Array, tensors: list[Array], name: str, *, logit_relu: bool) -> Array:
    """Return the logits of one image; ``tensors`` are weight, bias, weight, bias, ..."""
    left = iter(tensors)
    for word in TABLE[name].split():
        if word == "pool":
            x = max_pool_3_2(x)
            continue
        kernel, channels, stride, pad = parsed(word)
        weight, bias = next(left), next(left)
        assert weight.shape[2] == kernel
        assert channels in ("K", str(len(weight)))
        x = conv(x, weight, bias, stride=stride, pad=pad)
        x = relu(x) if logit_relu or channels != "K" else x
    assert next(left, None) is None
    return x.mean(axis=(1, 2))


def check_against_naive(name: str, *, logit_relu: bool = True) -> None:
    torch.manual_seed(0)
    net = create(name, num_classes=7, logit_relu=logit_relu).double().eval()
    tensors = [p.normal_(std=(2 / p[0].numel()) ** 0.5).numpy() for p in net.state_dict().values()]
    size = (33, 47) if name == "allcnn_b_imagenet" else (15, 12)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = [naive_allcnn(image, tensors, name, logit_relu=logit_relu) for image in x.numpy()]
    with torch.no_grad():
        got = net(x)
    assert got.std() > 0.01
    np.testing.assert_allclose(got.numpy(), np.stack(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


def test_without_a_relu_on_the_class_maps() -> None:
    check_against_naive("allcnn_c", logit_relu=False)


@pytest.mark.parametrize("name", TABLE)
def test_counts_by_hand(name: str) -> None:
    known = entry(name)
    side, wide, params, macs = known.input[1], 3, 0, 0
    for word in TABLE[name].split():
        if word == "pool":
            side //= 2
            continue
        kernel, channels, stride, pad = parsed(word)
        out = known.classes if channels == "K" else int(channels)
        side = side // stride if pad == kernel // 2 else side - kernel + 1
        weights = kernel * kernel * wide * out
        params, macs, wide = params + weights + out, macs + weights * side**2, out
    assert (params, macs) == (known.params, known.macs)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("allcnn_a_base", 856_612),
        ("allcnn_a_convpool", 1_271_620),
        ("allcnn_b_base", 902_980),
        ("allcnn_b_convpool", 1_317_988),
        ("allcnn_c_base", 972_100),
        ("allcnn_c_convpool", 1_387_108),
    ],
)
def test_parameters_for_100_classes_are_those_of_the_sheet(name: str, params: int) -> None:
    with torch.device("meta"):
        net = create(name, num_classes=100)
    assert sum(p.numel() for p in net.parameters()) == params


@pytest.mark.parametrize("name", SMALL)
def test_maps_shrink_as_in_the_paper(name: str) -> None:
    """32 to 16 to 8, and to 6 without padding in the last 3x3 layer."""
    with torch.device("meta"):
        maps = create(name).forward_features(torch.empty(1, 3, 32, 32))
    assert [m.shape[2] for m in maps] == [16, 8, 6]


def test_a_strided_convolution_is_a_plain_one_and_every_second_position() -> None:
    layer = create("allcnn_c").stages[0].conv2
    x = torch.randn(1, 96, 9, 8)
    plain = F.conv2d(x, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), plain[..., ::2, ::2], rtol=1e-4, atol=1e-5)


def test_an_average_is_a_convolution_with_fixed_weights() -> None:
    """Pooling as convolution: all ones on each channel, 9 times the average of 3x3."""
    x = torch.randn(1, 4, 9, 9)
    summed = F.conv2d(x, torch.ones(4, 1, 3, 3), stride=2, groups=4)
    torch.testing.assert_close(summed, 9 * F.avg_pool2d(x, 3, 2))


def test_dropout_on_the_image_and_behind_each_halving() -> None:
    for name in SMALL:
        rates = [m.p for m in create(name).modules() if isinstance(m, nn.Dropout)]
        assert rates == [0.2, 0.5, 0.5]
    torch.manual_seed(0)
    dropped = create("allcnn_c").stem(torch.ones(1, 3, 32, 32))
    assert len({tuple(p) for p in dropped[0].flatten(1).T.tolist()}) > 2  # numbers, not pixels
    big = create("allcnn_b_imagenet", input_dropout=0.1)
    assert big.stem.p == 0.1
    assert [m.p for m in big.stages.modules() if isinstance(m, nn.Dropout)] == [0.5]


def test_first_weights() -> None:
    torch.manual_seed(0)
    net = create("allcnn_c")
    for conv2d in (m for m in net.modules() if isinstance(m, nn.Conv2d)):
        out, wide, kernel, _ = conv2d.weight.shape
        bound = (6 / (kernel**2 * (wide + out))) ** 0.5
        assert conv2d.weight.abs().max().item() == pytest.approx(bound, rel=0.02)
        assert conv2d.bias.abs().max() == 0


@pytest.mark.parametrize(("name", "least"), [("allcnn_c", 9), ("allcnn_c_base", 12)])
def test_smallest_image(name: str, least: int) -> None:
    net = create(name).eval()
    assert net.min_size == least
    assert net(torch.randn(1, 3, least, least)).shape == (1, 10)
    with pytest.raises(RuntimeError):
        net(torch.randn(1, 3, least - 1, least - 1))


@pytest.mark.parametrize("word", ["dropout", "input_dropout"])
def test_refuses_a_rate_of_1(word: str) -> None:
    with pytest.raises(UsageError, match=rf"^{word}=1\.0 is not in \[0, 1\)$"):
        create("allcnn_c", **{word: 1.0})


def test_refuses_another_base() -> None:
    with pytest.raises(UsageError, match="base='d' is not offered: take 'a', 'b' or 'c'"):
        cifar_spec("d", Form.ALL)
