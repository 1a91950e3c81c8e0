"""Distillation: the loss against NumPy, images as the teacher wants them, a share of labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.train.steps.distill import Teacher, as_taught, distill_step, distillation_loss
from fleetfoot.train.steps.step import supervised_step
from tests.train import tiny_run as tiny
from tests.train.steps.test_step import batch, context, log_softmax, net


def teacher() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_that_of_numpy(temperature: float) -> None:
    draw = np.random.default_rng(0)
    student, taught = draw.normal(0, 2, (5, 4)), draw.normal(0, 2, (5, 4))
    shares = np.exp(log_softmax(taught / temperature))
    expected = -(shares * log_softmax(student / temperature)).sum(axis=1).mean()
    found = distillation_loss(*map(torch.from_numpy, (student, taught)), temperature)
    assert found.item() == pytest.approx(temperature**2 * expected)


def test_the_teacher_answers_as_at_evaluation_and_learns_nothing() -> None:
    learner, taught = net(), teacher()
    before = {name: t.clone() for name, t in taught.state_dict().items()}
    calls: list[int] = []

    def load(classes: int) -> Teacher:
        calls.append(classes)
        return Teacher(taught, None)

    step = distill_step(load, labels=0.0, temperature=1.0)
    loss, metrics = step(learner, batch(), context())
    step(learner, batch(), context())
    loss.backward()
    assert calls == [3]
    images = context().normalise(batch().images)
    assert loss.item() == pytest.approx(
        distillation_loss(learner(images), taught.eval()(images), 1.0).item()
    )
    assert metrics.keys() == {"accuracy"}
    assert all(torch.equal(t, before[name]) for name, t in taught.state_dict().items())
    assert all(p.grad is None for p in taught.parameters())
    assert all(p.grad is not None for p in learner.parameters())


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_labels_have_their_share_of_the_loss(share: float) -> None:
    learner = net()

    def loss(labels: float) -> Tensor:
        step = distill_step(lambda _: Teacher(teacher(), None), labels=labels, temperature=2.0)
        return step(learner, batch(), context(label_smoothing=0.2))[0]

    ordinary, _ = supervised_step(learner, batch(), context(label_smoothing=0.2))
    torch.testing.assert_close(loss(share), share * ordinary + (1 - share) * loss(0.0))


def test_images_are_scaled_as_the_teacher_was_trained() -> None:
    seen_by = context().normalise
    images = seen_by(batch().images)
    other = replace(tiny.PREPROCESS, mean=(0.0, 10.0, 20.0), std=(255.0, 1.0, 2.0))
    expected = other.normalise(batch().images.numpy())
    found = as_taught(images, seen_by, other)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert as_taught(images, seen_by, None) is images
    assert as_taught(images, seen_by, tiny.PREPROCESS) is images


def test_images_are_of_the_size_of_the_teacher() -> None:
    seen_by = context().normalise
    images = seen_by(batch().images)
    found = as_taught(images, seen_by, replace(tiny.PREPROCESS, size=16))
    torch.testing.assert_close(found, F.interpolate(images, 16, mode="bilinear", antialias=True))
    halved = as_taught(images[..., :4, :4], seen_by, replace(tiny.PREPROCESS, size=16))
    assert halved.shape[-2:] == (8, 8)  # in a phase of smaller training images


def test_images_of_other_channels_are_refused() -> None:
    grey = replace(tiny.PREPROCESS, channels=1, mean=(1.0,), std=(1.0,))
    with pytest.raises(UsageError, match="takes images of 1 channels, the network of 3"):
        as_taught(torch.zeros(1, 3, 8, 8), context().normalise, grey)
