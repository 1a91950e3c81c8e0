"""A mask that never changes leaves the same half out, in training and evaluation."""

import numpy as np
import torch

from fleetfoot.claims.alexnet.dropout import HIDDEN, FixedMask, network


def test_fixed_mask_is_a_constant() -> None:
    x = np.random.default_rng(0).normal(size=(3, 6, 2, 2))
    mask = FixedMask(6, 0.5, positions=2)
    expected = 2.0 * x
    expected[:, :3] = 0.0
    for training in (True, False):
        found = mask.train(training)(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(found, expected)
    flat = FixedMask(4, 0.25)(torch.ones(2, 4)).numpy()
    np.testing.assert_allclose(flat, [[0, 4 / 3, 4 / 3, 4 / 3]] * 2, rtol=1e-6)


def test_ways_differ_in_front_of_the_classifier_alone() -> None:
    nets = {}
    for way in ("none", "dropout", "mask"):
        torch.manual_seed(0)
        nets[way] = network(way, "cpu").eval()
    x = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        answers = {way: net(x) for way, net in nets.items()}
        hidden = nets["none"].forward_pooled(x)  # pyright: ignore[reportCallIssue]
    assert hidden.shape == (2, HIDDEN)
    assert torch.equal(answers["none"], answers["dropout"])
    assert not torch.equal(answers["none"], answers["mask"])
