"""Convolutions of patches as products against `F.conv2d`: values, gradients, and what is left."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.train.fused.patch_product import MANY, PatchProduct, has_patches

LAST = torch.channels_last


def conv(side: int, *, channels: int = 8, outputs: int = 24, **words: Any) -> nn.Conv2d:
    torch.manual_seed(side)
    return nn.Conv2d(channels, outputs, side, stride=side, bias=False, **words)


def draws(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).contiguous(
        memory_format=LAST
    )


def is_ours(out: Tensor) -> bool:
    function, names = out.grad_fn, ""
    while function is not None:  # the product itself may lie below a change of shape
        names += function.name()
        function = function.next_functions[0][0] if function.next_functions else None
    return "PatchProduct" in names


def step(net: nn.Module, x: Tensor, *, autocast: bool = False) -> list[Tensor]:
    """Return output, gradient of the input and gradient of the weight."""
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = net(x)
    assert is_ours(out) == isinstance(net, PatchProduct)
    assert out.is_contiguous(memory_format=LAST) or not is_ours(out)
    dy = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    out.backward(dy.to(out.dtype))  # not channels last
    (weight,) = net.parameters()
    assert x.grad is not None
    assert weight.grad is not None
    assert weight.grad.shape == weight.shape
    assert x.grad.dtype == x.dtype
    assert weight.grad.dtype == weight.dtype
    return [out.detach(), x.grad, weight.grad]


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_a_step_is_that_of_the_convolution(side: int, layout: torch.memory_format) -> None:
    its = conv(side).to(memory_format=layout)
    ours = PatchProduct(copy.deepcopy(its))
    x = draws(3, 8, 3 * side, 5 * side)
    for found, expected in zip(step(ours, x), step(its, x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 24])
@pytest.mark.parametrize("channels", [1, 8])
def test_one_channel_or_one_position_is_enough(channels: int, outputs: int) -> None:
    """Strides of a map with sides of 1 are ambiguous."""
    for side, batch, width in [(1, 1, 1), (2, 1, 1), (2, 3, 1), (1, 2, 5)]:
        its = conv(side, channels=channels, outputs=outputs)
        ours = PatchProduct(copy.deepcopy(its))
        x = draws(batch, channels, side, width * side)
        for found, expected in zip(step(ours, x), step(its, x), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 8, 5, 3), (3, 8, 20, 12)])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_autocast_is_within_the_rounding_of_bfloat16(side: int, shape: tuple[int, ...]) -> None:
    """Few positions and many: from `MANY` on tiles take over, where there are any."""
    batch, channels, height, width = shape
    assert (batch * height * width >= MANY) == (batch == 3)
    x = draws(batch, channels, height * side, width * side)
    its = conv(side)
    found = step(PatchProduct(copy.deepcopy(its)), x, autocast=True)
    exact = step(its.double(), x.bfloat16().double())
    assert [f.dtype for f in found] == [torch.bfloat16, torch.float32, torch.float32]
    for one, other in zip(found, exact, strict=True):
        largest = float(other.abs().max())
        torch.testing.assert_close(one.double(), other, rtol=2.0**-7, atol=2.0**-8 * largest)


def test_a_network_in_bfloat16_stays_in_it() -> None:
    ours = PatchProduct(conv(2).bfloat16())
    found = step(ours, draws(3, 8, 40, 24).bfloat16())
    assert {tensor.dtype for tensor in found} == {torch.bfloat16}


@pytest.mark.parametrize("case", ["evaluation", "default layout", "no whole number of patches"])
def test_all_else_is_left_to_the_convolution(case: str) -> None:
    ours = PatchProduct(conv(2))
    x = draws(2, 8, 6, 7 if case.startswith("no") else 8)
    if case == "evaluation":
        ours.eval()
    if case == "default layout":
        x = x.contiguous()
    out = ours(x)
    assert not is_ours(out)
    assert torch.equal(out, F.conv2d(x, ours.conv.weight, stride=2))


def test_a_frozen_weight_gets_no_gradient() -> None:
    ours = PatchProduct(conv(2))
    ours.conv.weight.requires_grad_(False)
    x = draws(2, 8, 4, 4).requires_grad_()
    ours(x).sum().backward()
    assert ours.conv.weight.grad is None
    assert x.grad is not None
    torch.testing.assert_close(x.grad[0, :, :2, :2], ours.conv.weight.sum(dim=0))


def test_images_get_no_gradient() -> None:
    ours = PatchProduct(conv(2))
    x = draws(2, 8, 4, 4)
    ours(x).sum().backward()
    expected = x.unflatten(2, (2, 2)).unflatten(4, (2, 2)).sum(dim=(0, 2, 4))
    assert x.grad is None
    torch.testing.assert_close(ours.conv.weight.grad, expected.expand(24, -1, -1, -1))


def test_what_follows_may_work_in_place() -> None:
    x, ours = draws(2, 8, 4, 4), PatchProduct(conv(2))
    (found,) = torch.autograd.grad(ours(x).relu_().sum(), ours.conv.weight)
    (expected,) = torch.autograd.grad(ours.conv(x).relu().sum(), ours.conv.weight)
    torch.testing.assert_close(found, expected)


def test_the_convolution_is_shared() -> None:
    its = conv(1)
    ours = PatchProduct(its)
    assert ours.conv is its
    assert [id(parameter) for parameter in ours.parameters()] == [id(its.weight)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, True),
        ({"kernel_size": 4, "stride": 4}, True),
        ({"kernel_size": 2}, False),
        ({"stride": 2}, False),
        ({"kernel_size": (2, 1), "stride": (2, 1)}, False),
        ({"bias": True}, False),
        ({"groups": 2}, False),
        ({"padding": 1}, False),
        ({"padding": "same"}, False),
        ({"kernel_size": 2, "stride": 2, "dilation": 2}, False),
    ],
)
def test_patches_do_not_overlap_and_nothing_is_added(words: dict[str, Any], expected: bool) -> None:
    assert has_patches(nn.Conv2d(4, 4, **({"kernel_size": 1, "bias": False} | words))) is expected
