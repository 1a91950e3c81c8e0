import numpy as np
import torch
from torch import nn

from fleetfoot.train.optim.ema import Ema, decay_at


def test_decay_rises_to_the_given_one() -> None:
    assert decay_at(0, decay=0.99) == 0.1
    assert decay_at(80, decay=0.99) == 0.9
    assert decay_at(10_000, decay=0.99) == 0.99


def test_the_average_is_that_of_a_loop_in_numpy() -> None:
    net = nn.Linear(3, 2)
    ema = Ema(net, decay=0.5)
    expected = net.weight.detach().numpy().copy()
    for step in range(20):
        with torch.no_grad():
            net.weight.add_(torch.randn(2, 3))
        ema.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * net.weight.detach().numpy()
    np.testing.assert_allclose(ema.net.weight.detach().numpy(), expected, rtol=1e-5)  # type: ignore[union-attr]


def test_buffers_are_copied_and_the_copy_is_apart() -> None:
    net = nn.BatchNorm2d(4)
    ema = Ema(net, decay=0.9)
    net(torch.randn(8, 4, 2, 2))
    assert not torch.equal(ema.net.running_mean, net.running_mean)  # type: ignore[arg-type]
    ema.update(5)
    assert torch.equal(ema.net.running_mean, net.running_mean)  # type: ignore[arg-type]
    assert ema.net.num_batches_tracked == 1
    assert not ema.net.training
    assert not any(parameter.requires_grad for parameter in ema.net.parameters())
