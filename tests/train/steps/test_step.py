from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_run as tiny
import torch
from torch import nn

from fleetfoot.data.augment import Augment, Mix
from fleetfoot.data.loader import Batch
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.step import Context, inputs_of, supervised_step

CPU = torch.device("cpu")


def context(**changes: Any) -> Context:
    weights = changes.pop("class_weights", None)
    normalise = Normalise(tiny.PREPROCESS, layout="nchw", device=CPU)
    return Context(tiny.recipe(**changes), 5, 3, normalise, "float32", weights)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 8, 8, 3), dtype=torch.uint8, generator=generator)
    return Batch(images, torch.tensor([0, 1, 2, 2, 1, 0]), torch.arange(6))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_smoothed_loss_is_that_of_numpy() -> None:
    model = net()
    loss, metrics = supervised_step(model, batch(), context(label_smoothing=0.3))
    logits = model(context().normalise(batch().images)).detach().double().numpy()
    targets = 0.7 * np.eye(3)[batch().labels] + 0.1
    assert loss.item() == pytest.approx(-(targets * log_softmax(logits)).sum(axis=1).mean())
    right = (logits.argmax(axis=1) == batch().labels.numpy()).mean()
    assert metrics["accuracy"].item() == pytest.approx(right)


def test_class_weights_weigh_the_loss() -> None:
    model = net()
    weights = torch.tensor([1.0, 0.0, 0.0])
    loss, _ = supervised_step(model, batch(), context(label_smoothing=0.0, class_weights=weights))
    logits = model(context().normalise(batch().images)).detach().double().numpy()
    of_class_0 = -log_softmax(logits)[[0, 5], 0]
    assert loss.item() == pytest.approx(of_class_0.mean())


def test_mixing_gives_shares_as_a_function_of_the_step() -> None:
    mixed = context(augment=Augment(crop="none", mix=Mix(mixup=1.0)))
    images, targets = inputs_of(batch(), mixed)
    again, same = inputs_of(batch(), mixed)
    assert torch.equal(images, again)
    assert torch.equal(targets, same)
    assert targets.shape == (6, 3)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
    loss, _ = supervised_step(net(), batch(), mixed)
    assert torch.isfinite(loss)


def test_erasing_keeps_the_labels() -> None:
    _, targets = inputs_of(batch(), context(augment=Augment(crop="none", mix=Mix(erasing=1.0))))
    assert torch.equal(targets, batch().labels)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_layout_survives_transforms_and_erasing(layout: str) -> None:
    """A network computes in the layout of its input: the other one trains five times slower."""
    normalise = Normalise(tiny.PREPROCESS, layout=layout, device=CPU)
    here = context(augment=Augment(crop="none", mix=Mix(erasing=1.0)))
    swap = torch.contiguous_format if layout == "nhwc" else torch.channels_last
    ready = replace(
        here,
        normalise=normalise,
        transforms=(lambda images, _: images.contiguous(memory_format=swap),),
    )
    images, _ = inputs_of(batch(), ready)
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    assert images.is_contiguous(memory_format=memory)
