import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.shift_batch_norm import ShiftBatchNorm


def ap2(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * 2.0 ** np.rint(np.log2(np.abs(x)))


def naive(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Algorithm 3, a channel at a time."""
    out = np.empty_like(x)
    for channel in range(x.shape[1]):
        centred = x[:, channel] - x[:, channel].mean()
        variance = (centred * ap2(centred)).mean()
        scaled = centred * ap2(1 / np.sqrt(variance + 1e-5))
        out[:, channel] = ap2(weight[channel]) * scaled + bias[channel]
    return out


def example() -> tuple[ShiftBatchNorm, np.ndarray]:
    draw = np.random.default_rng(0)
    norm = ShiftBatchNorm(3).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.9, -0.3, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, -1.0]))
    return norm, draw.normal(1, 3, (8, 3, 4, 5))


def test_training_against_the_algorithm():
    norm, x = example()
    expected = naive(x, norm.weight.detach().numpy(), norm.bias.detach().numpy())
    np.testing.assert_allclose(norm(torch.from_numpy(x)).detach().numpy(), expected)


def test_evaluation_takes_the_running_inverse_deviation():
    norm, x = example()
    for _ in range(200):
        norm(torch.from_numpy(x))
    rounded = norm.eval()(torch.from_numpy(x)).detach()
    torch.testing.assert_close(rounded, norm.train()(torch.from_numpy(x)).detach())
    centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
    expected = torch.from_numpy((centred * ap2(centred)).mean(axis=(0, 2, 3)))
    torch.testing.assert_close(norm.variance, expected)


def test_an_output_is_the_plain_norm_within_the_rounding():
    norm, x = example()
    plain = torch.nn.functional.batch_norm(torch.from_numpy(x), None, None, training=True)
    found = (norm(torch.from_numpy(x)) - norm.bias.view(1, 3, 1, 1)) / norm.weight.view(1, 3, 1, 1)
    ratio = (found / plain).detach()
    assert ratio.min() >= 2**-1.1
    assert ratio.max() <= 2**1.1


def test_gradients_come_near_those_of_batch_norm():
    norm, x = example()
    above = torch.from_numpy(np.random.default_rng(1).normal(size=x.shape))
    given = torch.from_numpy(x).requires_grad_()
    (norm(given) * above).sum().backward()
    plain = torch.from_numpy(x).requires_grad_()
    weight, bias = norm.weight.detach(), norm.bias.detach()
    y = torch.nn.functional.batch_norm(plain, None, None, weight, bias, training=True)
    (y * above).sum().backward()
    assert given.grad is not None
    assert plain.grad is not None
    alike = torch.nn.functional.cosine_similarity(given.grad.flatten(), plain.grad.flatten(), dim=0)
    assert alike > 0.9
    assert norm.bias.grad is not None
    torch.testing.assert_close(norm.bias.grad, above.sum(dim=(0, 2, 3)))


def test_rows_of_a_perceptron_and_arguments():
    norm = ShiftBatchNorm(4)
    assert norm(torch.randn(6, 4)).shape == (6, 4)
    assert repr(norm) == "ShiftBatchNorm(4, eps=1e-05, momentum=0.125)"
    with pytest.raises(UsageError, match="channels=0 is too small"):
        ShiftBatchNorm(0)
