"""Norms that never look at a batch are gains and offsets; sigmoids pass little gradient down."""

import numpy as np
import torch
from torch import nn

from fleetfoot.claims.batch_norm.sigmoids import IdleNorm, sigmoids


def test_idle_norm_is_a_gain_and_an_offset() -> None:
    norm = IdleNorm(3).train()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = np.random.default_rng(0).normal(5.0, 3.0, size=(4, 3, 2, 2)).astype(np.float32)
    found = norm(torch.from_numpy(x)).detach().numpy()
    gain, offset = (p.detach().numpy()[:, None, None] for p in (norm.weight, norm.bias))
    np.testing.assert_allclose(found, x / np.sqrt(1 + 1e-5) * gain + offset, rtol=1e-5, atol=1e-5)
    assert norm.running_mean is not None
    assert not norm.running_mean.any()


def test_idle_networks_have_the_parameters_of_those_with_norms() -> None:
    normed, idle = (sigmoids(way, layers=3) for way in ("norm", "idle"))
    assert [p.shape for p in normed.parameters()] == [p.shape for p in idle.parameters()]
    assert not any(type(module) is nn.BatchNorm2d for module in idle.modules())


def test_plain_sigmoids_pass_no_gradient_down_ten_layers() -> None:
    x = torch.randn(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    sizes: dict[str, float] = {}
    for way in ("plain", "norm", "idle"):
        torch.manual_seed(0)
        net = sigmoids(way, layers=10).train()
        net(x).logsumexp(dim=1).sum().backward()
        first = next(net.parameters())
        assert first.grad is not None
        sizes[way] = float(first.grad.norm())
    assert sizes["norm"] > 100 * max(sizes["plain"], sizes["idle"])
