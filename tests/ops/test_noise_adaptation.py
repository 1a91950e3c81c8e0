"""The noise of FDA against NumPy; its gradient is the formula of the paper with alpha put in."""

import numpy as np
import pytest
import torch

from fleetfoot.ops.noise_adaptation import NoisySineConv2d, NoisySineSign, noise, noise_share
from fleetfoot.ops.sign import sign
from fleetfoot.ops.sine_series import last_sine, sine_slope
from fleetfoot.ops.sine_sign import SineConv2d

PROGRESS = 0.25
ALPHA = noise_share(PROGRESS)


def rows() -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(*shape, generator=draw, dtype=torch.float64, requires_grad=True)
        for shape in ((5, 8), (8, 3), (3, 8))
    )


def test_forward_and_gradients_are_those_of_numpy() -> None:
    t, down, up = rows()
    found = noise(t, down, up)
    x, w1, w2 = (value.detach().numpy() for value in (t, down, up))
    before = x @ w1
    np.testing.assert_allclose(
        found.detach().numpy(), np.maximum(before, 0) @ w2 + 0.1 * np.sin(x), rtol=1e-12
    )
    above = np.random.default_rng(0).normal(size=x.shape)
    found.backward(torch.from_numpy(above))
    inner = (above @ w2.T) * (before >= 0)
    np.testing.assert_allclose(t.grad, inner @ w1.T + above * 0.1 * np.cos(x), rtol=1e-9)
    np.testing.assert_allclose(down.grad, x.T @ inner, rtol=1e-9)
    np.testing.assert_allclose(up.grad, np.maximum(before, 0).T @ above, rtol=1e-9)


def test_a_sign_adds_noise_from_the_channels_of_each_position() -> None:
    torch.manual_seed(0)
    layer = NoisySineSign(6).double()
    assert layer.noise_down.shape == (6, 1)
    layer.progress = PROGRESS
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64, requires_grad=True)
    found = layer(x)
    found.sum().backward()
    y = x.detach().clone().requires_grad_()
    one = noise(y[1, :, 2, 3], layer.noise_down, layer.noise_up)
    torch.testing.assert_close(found[1, :, 2, 3], sign(x)[1, :, 2, 3] + ALPHA * one)
    one.sum().backward()
    slope = sine_slope(y.detach(), last_sine(PROGRESS), edge=1.0)
    torch.testing.assert_close(x.grad[1, :, 2, 3], (slope + ALPHA * y.grad)[1, :, 2, 3])


@pytest.mark.parametrize(("training", "progress"), [(False, 0.0), (True, 1.0)])
def test_without_noise_only_bits_are_left(training: bool, progress: float) -> None:
    torch.manual_seed(0)
    layer, conv = NoisySineSign(4).train(training), NoisySineConv2d(4, 5, 3).train(training)
    layer.progress = conv.progress = progress
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(layer(x), sign(x))
    assert torch.equal(conv.bits(), sign(conv.weight))


def test_a_convolution_adds_noise_from_each_filter_and_takes_it_out_again() -> None:
    torch.manual_seed(0)
    plain = SineConv2d(16, 6, 3, stride=2, padding=1, pad_value=1.0, scale="layer")
    noisy = NoisySineConv2d.of(plain)
    assert noisy.weight is plain.weight
    assert noisy.noise_down.shape == (144, 2)
    noisy.progress = PROGRESS
    e = noise(plain.weight.flatten(1), noisy.noise_down, noisy.noise_up).view_as(plain.weight)
    expected = (sign(plain.weight) + ALPHA * e) * plain.weight.abs().mean()
    torch.testing.assert_close(noisy.bits(), expected)
    back, x = noisy.plain(), torch.randn(2, 16, 8, 8)
    assert type(back) is SineConv2d
    assert torch.equal(back(x), plain(x))
    assert torch.equal(noisy.eval()(x), plain(x))


def test_noise_begins_about_as_large_as_its_sine() -> None:
    torch.manual_seed(0)
    layer = NoisySineSign(256)
    e = noise(torch.randn(500, 256), layer.noise_down, layer.noise_up)
    assert abs(e.mean().item()) < 0.02
    assert 0.05 < e.std().item() < 0.3
