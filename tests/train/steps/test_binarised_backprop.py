"""The backward pass of bits against NumPy, and the identities of the paper."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.binary_nets import BinaryNet, BinaryNetSpec, Conv
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.sign import Sign
from fleetfoot.train.steps.binarised_backprop import Bits, binarised_backprop, given_back, kept
from fleetfoot.train.steps.squared_hinge import squared_hinge_step
from tests.train.steps.test_step import batch, context

EPS = 1e-5


def perceptron() -> nn.Sequential:
    """Two binary layers on images of 8 pixels, in float64."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(),
        BinaryLinear(192, 10),
        nn.BatchNorm1d(10, eps=EPS),
        Sign(),
        BinaryLinear(10, 3),
        nn.BatchNorm1d(3, eps=EPS),
    )


def convnet(**words: object) -> BinaryNet:
    torch.manual_seed(1)
    spec = BinaryNetSpec(convs=(Conv(4), Conv(6, pool=(2, 2))), hidden=(8,), size=8)
    return BinaryNet(spec, 3, **words)


def gradients(net: nn.Module, **words: object) -> dict[str, Tensor]:
    torch.manual_seed(7)  # what is drawn
    step = binarised_backprop(squared_hinge_step, **words)
    loss, _ = step(net.train(), batch(), context())
    loss.backward()
    return {name: p.grad.clone() for name, p in net.named_parameters()} | {"loss": loss.detach()}


def signs(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1.0, -1.0)


def test_gradients_are_the_four_steps_of_the_paper_by_hand() -> None:
    net = perceptron()
    found = gradients(net, neurons="deterministic")
    w1, w2 = (signs(net[i].weight.detach().double().numpy()) for i in (1, 4))
    x = context().normalise(batch().images).double().numpy().reshape(6, -1)

    def norm(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inverse = 1 / np.sqrt(z.var(axis=0) + EPS)
        return (z - z.mean(axis=0)) * inverse, inverse

    def norm_backward(g: np.ndarray, u: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        return inverse * (g - g.mean(axis=0) - u * (g * u).mean(axis=0))

    u1, inverse1 = norm(x @ w1.T)
    h = signs(u1)
    u2, inverse2 = norm(h @ w2.T)
    t = 2 * np.eye(3)[batch().labels] - 1
    g_u2 = -2 * t * np.maximum(0, 1 - u2 * t) / u2.size
    g_z2 = norm_backward(g_u2, u2, inverse2)
    g_h = g_z2 @ w2  # by bits of the weights
    g_z1 = norm_backward(g_h * (np.abs(u1) <= 1), u1, inverse1)
    np.testing.assert_allclose(found["4.weight"], g_z2.T @ h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["1.weight"], g_z1.T @ x, rtol=1e-3, atol=1e-5)


def test_input_gradient_does_not_know_the_size_of_a_latent_weight() -> None:
    net = perceptron()
    before = gradients(net, neurons="deterministic")
    net.zero_grad()
    with torch.no_grad():
        net[4].weight.mul_(torch.rand_like(net[4].weight) + 0.01)
    after = gradients(net, neurons="deterministic")
    assert torch.equal(before["1.weight"], after["1.weight"])
    with torch.no_grad():
        net[4].weight[0, 0] *= -1
    net.zero_grad()
    assert not torch.equal(before["1.weight"], gradients(net, neurons="deterministic")["1.weight"])


@pytest.mark.parametrize("neurons", ["deterministic", "stochastic"])
@pytest.mark.parametrize("pad_value", [0.0, 1.0])
def test_bits_are_all_that_the_backward_pass_needs(neurons: str, pad_value: float) -> None:
    """The neurons that were drawn are those of the weight gradient: nothing is drawn again."""
    plain = convnet(stochastic=neurons == "stochastic", pad_value=pad_value).train()
    torch.manual_seed(7)
    loss, _ = squared_hinge_step(plain, batch(), context())
    loss.backward()
    found = gradients(convnet(pad_value=pad_value), neurons=neurons)
    assert found.pop("loss") == loss
    for name, parameter in plain.named_parameters():
        assert torch.equal(found[name], parameter.grad), name


def test_weights_and_neurons_of_both_products_are_kept_as_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes: list[tuple[int, ...]] = []

    def noted(x: Tensor) -> Tensor | Bits:
        found = kept(x)
        if isinstance(found, Bits):
            shapes.append(tuple(found.positive.shape))
        return found

    monkeypatch.setattr("fleetfoot.train.steps.binarised_backprop.kept", noted)
    net = convnet()
    gradients(net)
    layers = [m for m in net.modules() if isinstance(m, (BinaryConv2d, BinaryLinear))]
    weights = [tuple(layer.weight.shape) for layer in layers]
    for shape in weights[:-2]:
        assert shape in shapes  # the linear layers keep theirs transposed
    assert (6, 4, 8, 8) in shapes  # neurons in front of the second convolution
    assert (6, 96) in shapes
    assert (6, 8) in shapes


def test_a_tensor_is_kept_whole_unless_it_is_binary() -> None:
    bits = torch.where(torch.arange(24.0).reshape(2, 3, 2, 2) % 5 > 1, 1.0, -1.0)
    bits = bits.contiguous(memory_format=torch.channels_last)
    back = given_back(kept(bits))
    assert torch.equal(back, bits)
    assert back.stride() == bits.stride()
    late = torch.ones(200)
    late[-1] = 0.5
    for other in (late, torch.tensor([1, -1]), torch.zeros(0), torch.tensor([1.0, torch.nan])):
        assert isinstance(kept(other), Tensor)
        torch.testing.assert_close(given_back(kept(other)), other, equal_nan=True)


def test_sums_may_be_of_any_size_in_front_of_a_norm() -> None:
    """No scale of a filter is needed, unlike in XNOR-Net: the norm takes it away."""
    net = perceptron().double()
    x = context().normalise(batch().images).double()
    plain = net(x)
    net[4].register_forward_hook(lambda *found: 40.0 * found[-1])
    torch.testing.assert_close(net(x), plain, rtol=1e-3, atol=1e-5)


def test_few_bits_of_error_signals_are_powers_of_two() -> None:
    net = perceptron()
    signals: list[Tensor] = []

    def note(_: nn.Module, __: tuple[Tensor], sums: Tensor) -> None:
        sums.register_hook(signals.append)

    net[4].register_forward_hook(note)
    exact = gradients(net, neurons="deterministic")
    net.zero_grad()
    rough = gradients(net, neurons="deterministic", gradient_bits=3)
    assert torch.equal(exact["loss"], rough["loss"])
    assert torch.equal(exact["5.weight"], rough["5.weight"])  # behind the sums nothing changes
    plain, few = signals
    assert len(torch.unique(torch.frexp(plain).mantissa.abs())) > 8
    assert set(torch.frexp(few).mantissa.abs().unique().tolist()) <= {0.0, 0.5}
    assert len(few[few != 0].abs().unique()) <= 4  # a sign and two bits of the exponent
    assert len(net[4]._forward_hooks) == 1  # the one of this test


def test_in_the_last_steps_norms_get_the_statistics_of_neurons_that_are_not_drawn() -> None:
    net, now = convnet(), replace(context(), step=0, total_steps=1)
    step = binarised_backprop(squared_hinge_step)
    for _ in range(60):
        torch.manual_seed(3)
        step(net.train(), batch(), now)
    norm = net.hidden[0].norm
    sums: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _, x: sums.append(x[0]))
    for sign in net.modules():
        if isinstance(sign, Sign):
            assert not sign.stochastic
    net(context().normalise(batch().images))
    torch.testing.assert_close(norm.running_mean, sums[0].mean(dim=0), rtol=0.01, atol=0.05)


def test_a_network_without_binary_layers_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(UsageError, match="Sequential has no layer with weights of one bit"):
        gradients(net)
