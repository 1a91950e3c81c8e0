import numpy as np
import torch
from torch import nn

from fleetfoot.train.optim.rmsprop_tf import RMSPropTF


def test_the_rule_as_written_out_with_a_falling_rate() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(5, dtype=torch.float64))
    optimizer = RMSPropTF([weight], lr=0.1, momentum=0.8, decay=0.7, weight_decay=0.01)
    w, square, m = weight.detach().numpy().copy(), np.ones(5), np.zeros(5)
    for step in range(6):
        lr = 0.1 / (step + 1)
        gradient = np.cos(np.arange(5) + step)
        optimizer.param_groups[0]["lr"] = lr
        weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        gradient = gradient + 0.01 * w
        square = 0.7 * square + 0.3 * gradient**2
        m = 0.8 * m + lr * gradient / np.sqrt(square + 1e-3)
        w = w - m
    np.testing.assert_allclose(weight.detach().numpy(), w, rtol=1e-12)


def test_it_is_not_torchs() -> None:
    steps = []
    for make in (
        lambda p: RMSPropTF([p], lr=0.1, momentum=0.9, decay=0.9, weight_decay=0.0),
        lambda p: torch.optim.RMSprop([p], lr=0.1, momentum=0.9, alpha=0.9, eps=1e-3),
    ):
        weight = nn.Parameter(torch.zeros(1))
        weight.grad = torch.full((1,), 0.1)
        make(weight).step()
        steps.append(-weight.item())
    np.testing.assert_allclose(
        steps, [0.01 / np.sqrt(0.9 + 0.001 + 0.001), 0.01 / 0.0326], rtol=1e-2
    )
