import torch
import torch.nn.functional as F

from fleetfoot.ops.binary_weight import recu_weight
from fleetfoot.ops.recu_conv import NormalisedSign, RecuConv2d
from fleetfoot.ops.sign import sign


def test_sums_of_signs_times_a_learnt_factor():
    torch.manual_seed(0)
    conv = RecuConv2d(4, 6, 3, stride=2, padding=1).double()
    x = sign(torch.randn(2, 4, 7, 7, dtype=torch.float64))
    sums = F.conv2d(x, recu_weight(conv.weight, 0.99), stride=2, padding=1)
    torch.testing.assert_close(conv(x), sums * conv.factor.view(1, -1, 1, 1))
    assert ((conv.factor >= 0) & (conv.factor < 1)).all()


def test_at_first_more_of_the_tails_learns_nothing():
    torch.manual_seed(0)
    conv = RecuConv2d(64, 8, 3)
    shares = []
    for progress in (0.0, 1.0):
        conv.progress = progress
        conv.weight.grad = None
        # The mean of a gradient is taken off again by the centring: draw one that has none.
        (conv.bits() * torch.randn(8, 64, 3, 3)).sum().backward()
        signs = conv.bits().detach()
        shares.append(conv.weight.grad.std().item())
        assert torch.equal(
            signs, recu_weight(conv.weight, 0.9).detach() * conv.factor.view(-1, 1, 1, 1)
        )
    assert shares[0] < shares[1]


def test_the_sign_is_the_same_whatever_the_deviation():
    torch.manual_seed(0)
    layer, x = NormalisedSign(), 5 * torch.randn(2, 3, 8, 8)
    x.requires_grad_()
    found = layer.train()(x)
    assert torch.equal(found, sign(x))
    assert torch.equal(layer.eval()(x), sign(x))
    found.pow(2).sum().backward()
    found = layer.train()(x)
    (found * torch.randn_like(found)).sum().backward()
    # Divided by its deviation, most of a map lies where the slope is not 0.
    assert (x.grad.abs() > 1e-9).float().mean() > 0.6
