import torch

from fleetfoot.ops.sign import sign
from fleetfoot.ops.sine_series import sine_slope
from fleetfoot.ops.sine_sign import SineConv2d, SineSign


def test_the_sign_learns_by_more_sines_as_training_goes_on():
    layer = SineSign()
    for progress, n in ((0.0, 9), (1.0, 18)):
        layer.progress = progress
        x = torch.linspace(-1.5, 1.5, 61, dtype=torch.float64, requires_grad=True)
        found = layer(x)
        found.sum().backward()
        assert torch.equal(found, sign(x))
        torch.testing.assert_close(x.grad, sine_slope(x.detach(), n, edge=1.0))


def test_weights_are_signs_times_their_mean_size_and_learn_alike():
    torch.manual_seed(0)
    conv = SineConv2d(3, 4, 3, scale="layer")
    conv.progress = 0.0
    weights = conv.bits()
    torch.testing.assert_close(weights, sign(conv.weight) * conv.weight.abs().mean())
    weights.sum().backward()
    expected = conv.weight.abs().mean() * sine_slope(conv.weight, 9, edge=1.0)
    torch.testing.assert_close(conv.weight.grad, expected)
    for scale, size in (("none", torch.ones(())), ("filter", None)):
        conv.scale = scale
        size = conv.weight.abs().mean(dim=(1, 2, 3), keepdim=True) if size is None else size
        torch.testing.assert_close(conv.bits(), sign(conv.weight) * size)
