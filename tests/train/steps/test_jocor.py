"""JoCoR's loss and choice against NumPy, and its edges."""

import numpy as np
import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn

from fleetfoot.data.loader import Batch
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.jocor import Pair, easiest, jocor_step, joint_losses
from fleetfoot.train.steps.step import Context


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def reference(first: np.ndarray, second: np.ndarray, labels: np.ndarray, w: float) -> np.ndarray:
    p, q = softmax(first), softmax(second)
    rows = np.arange(len(labels))
    own = -np.log(p[rows, labels]) - np.log(q[rows, labels])
    apart = (p * np.log(p / q)).sum(axis=1) + (q * np.log(q / p)).sum(axis=1)
    return (1 - w) * own + w * apart


def logits(seed: int) -> Tensor:
    return torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("weight", [0.0, 0.65, 0.9])
def test_the_loss_is_the_formula(weight: float) -> None:
    first, second = logits(0), logits(1)
    found = joint_losses(first, second, LABELS, weight)
    expected = reference(first.numpy(), second.numpy(), LABELS.numpy(), weight)
    np.testing.assert_allclose(found.numpy(), expected)
    torch.testing.assert_close(joint_losses(second, first, LABELS, weight), found)


def test_shares_of_classes_that_are_classes_are_the_same_loss() -> None:
    shares = torch.nn.functional.one_hot(LABELS, 4).double()
    first, second = logits(0), logits(1)
    expected = joint_losses(first, second, LABELS, 0.3)
    torch.testing.assert_close(joint_losses(first, second, shares, 0.3), expected)


def test_the_gradient_reaches_both_networks() -> None:
    pair = [logits(seed).requires_grad_() for seed in (0, 1)]
    assert torch.autograd.gradcheck(lambda a, b: joint_losses(a, b, LABELS, 0.5), pair)


def test_the_smallest_losses_are_kept_and_at_least_one() -> None:
    losses = torch.tensor([3.0, 1.0, 2.0, 5.0])
    assert sorted(easiest(losses, 0.5).tolist()) == [1, 2]
    assert sorted(easiest(losses, 0.0).tolist()) == [0, 1, 2, 3]
    assert easiest(losses, 0.99).tolist() == [1]


@pytest.mark.parametrize(("step", "kept"), [(0, 6), (4, 4), (8, 3), (40, 3)])
def test_the_share_left_out_rises_over_epochs(step: int, kept: int) -> None:
    torch.manual_seed(0)
    net = Pair(*(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)) for _ in range(2)))
    pixels = torch.randint(0, 256, (6, 8, 8, 3), dtype=torch.uint8)
    normalise = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
    context = Context(tiny.recipe(), step, 4, normalise, "float32", steps_per_epoch=4)
    loss, metrics = jocor_step(noise=0.5, weight=0.9, ramp=2)(
        net, Batch(pixels, LABELS, torch.arange(6)), context
    )
    first, second = (part(normalise(pixels)).detach() for part in (net.first, net.second))
    losses = np.sort(reference(first.numpy(), second.numpy(), LABELS.numpy(), 0.9))
    assert loss.item() == pytest.approx(losses[:kept].mean(), rel=1e-4)
    right = (first.argmax(dim=1) == LABELS).float().mean()
    assert metrics["accuracy"].item() == pytest.approx(right.item())


def test_a_pair_answers_as_its_first_at_evaluation() -> None:
    net, x = Pair(nn.Linear(2, 3), nn.Linear(2, 3)), torch.randn(4, 2)
    assert net(x).shape == (2, 4, 3)
    assert torch.equal(net.eval()(x), net.first(x))
