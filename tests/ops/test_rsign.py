import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.rsign import RPReLU, RSign


def test_the_sign_of_a_shifted_number_and_its_slope():
    layer, x = RSign(2), torch.tensor([[-0.5, 0.2], [0.0, -0.4]], requires_grad=True)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.5, -0.5]))
    y = layer(x)
    assert y.tolist() == [[1, -1], [1, -1]]
    (y * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    # 2 - 2 |u| with u = 0, -0.3, 0.5, -0.9
    expected = torch.tensor([[2.0, 2.8], [3.0, 0.8]])
    torch.testing.assert_close(x.grad, expected)
    torch.testing.assert_close(layer.bias.grad, expected.sum(dim=0))


def test_shifted_prelu_against_numpy():
    draw = np.random.default_rng(0)
    layer, x = RPReLU(3).double(), draw.normal(size=(4, 3, 5, 2))
    g, slope, z = (draw.normal(size=3) for _ in range(3))
    with torch.no_grad():
        for parameter, value in zip((layer.shift_in, layer.weight, layer.shift_out), (g, slope, z)):
            parameter.copy_(torch.from_numpy(value))
    u = x + g[:, None, None]
    expected = np.where(u > 0, u, slope[:, None, None] * u) + z[:, None, None]
    np.testing.assert_allclose(layer(torch.from_numpy(x)).detach().numpy(), expected)


def test_without_shifts_and_a_slope_of_one_it_is_the_identity():
    layer, x = RPReLU(3), torch.randn(2, 3, 4)
    with torch.no_grad():
        layer.weight.fill_(1)
    assert torch.equal(layer(x), x)
    assert repr(layer) == "RPReLU(3)"


def test_arguments():
    assert repr(RSign(4)) == "RSign(4, polynomial)"
    with pytest.raises(UsageError, match="channels=0 is too small"):
        RSign(0)
    with pytest.raises(UsageError, match="slope='tanh' is not offered"):
        RSign(2, slope="tanh")
