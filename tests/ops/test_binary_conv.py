import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear, binary_conv
from fleetfoot.ops.sign import Sign, sign


def signs(*shape: int) -> torch.Tensor:
    return sign(torch.from_numpy(np.random.default_rng(0).normal(size=shape)).float())


@pytest.mark.parametrize("pad_value", [0.0, 1.0, -1.0])
def test_three_borders_against_a_padded_image(pad_value: float):
    x, weight = signs(2, 5, 7, 6), signs(4, 5, 3, 3)
    padded = np.full((2, 5, 11, 10), pad_value, dtype="f4")
    padded[:, :, 2:-2, 2:-2] = x.numpy()
    found = binary_conv(x, weight, stride=2, padding=2, pad_value=pad_value)
    assert torch.equal(found, F.conv2d(torch.from_numpy(padded), weight, stride=2))


def test_sums_of_signs_have_the_parity_of_their_number():
    x, layer = signs(2, 5, 6, 6), BinaryConv2d(5, 4, 3)
    found = layer(x)
    assert (found % 2 == 1).all()  # 45 products
    assert found.abs().max() <= 45


def test_the_gradient_of_the_input_knows_the_signs_alone():
    torch.manual_seed(0)
    layer = BinaryConv2d(3, 4, 3, padding=1)
    x = signs(2, 3, 5, 5).requires_grad_()
    (before,) = torch.autograd.grad((layer(x) ** 2).sum(), x)
    with torch.no_grad():
        layer.weight.mul_(0.3)
    (after,) = torch.autograd.grad((layer(x) ** 2).sum(), x)
    assert torch.equal(after, before)


def test_the_gradient_of_latent_weights_is_that_of_the_float_layer_at_the_signs():
    torch.manual_seed(0)
    layer, x = BinaryLinear(6, 3), signs(4, 6)
    plain = sign(layer.weight.detach()).requires_grad_()
    above = torch.randn(4, 3)
    (layer(x) * above).sum().backward()
    (F.linear(x, plain) * above).sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain.grad)


def test_deterministic_neurons_against_the_backward_products_by_hand():
    """Binarised back-propagation, steps 1 to 4 of the sheet, for one layer of a perceptron."""
    torch.manual_seed(0)
    first, second = BinaryLinear(5, 4).double(), BinaryLinear(4, 2).double()
    x = torch.randn(3, 5, dtype=torch.float64)
    u = first(x)
    u = u / u.abs().max() * 1.5  # some beyond the window
    u.retain_grad()
    h = Sign()(u)
    above = torch.randn(3, 2, dtype=torch.float64)
    (second(h) * above).sum().backward()
    bits = sign(second.weight.detach())
    to_h = above @ bits
    torch.testing.assert_close(u.grad, to_h * (u.detach().abs() <= 1))
    torch.testing.assert_close(second.weight.grad, above.T @ sign(u.detach()))


def test_scales_stand_before_the_signs():
    torch.manual_seed(0)
    x = signs(2, 3, 4, 4)
    layer = BinaryConv2d(3, 4, 3, scale="filter")
    plain = F.conv2d(x, sign(layer.weight.detach()))
    means = layer.weight.detach().abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(layer(x), plain * means.view(1, -1, 1, 1))


def test_first_weights_are_never_zero_nor_all_of_one_sign():
    torch.manual_seed(0)
    weight = BinaryConv2d(16, 16, 3).weight.detach()
    assert (weight != 0).all()
    assert 0.4 < (weight > 0).float().mean() < 0.6


def test_arguments_and_repr():
    text = "BinaryConv2d(3, 4, 3, stride=2, padding=1, pad_value=-1, scale=layer)"
    assert repr(BinaryConv2d(3, 4, 3, stride=2, padding=1, pad_value=-1, scale="layer")) == text
    assert repr(BinaryLinear(3, 4)) == "BinaryLinear(3, 4, scale=none)"
    with pytest.raises(UsageError, match=r"pad_value=0\.5 is not offered"):
        BinaryConv2d(3, 4, 3, pad_value=0.5)
    with pytest.raises(UsageError, match="kernel_size=0 is too small"):
        BinaryConv2d(3, 4, 0)
    with pytest.raises(UsageError, match="out_features=0 is too small"):
        BinaryLinear(3, 0)
    with pytest.raises(UsageError, match="scale='row' is not offered"):
        BinaryLinear(3, 2, scale="row")
