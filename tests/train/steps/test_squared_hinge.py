import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.train.steps.squared_hinge import squared_hinge, squared_hinge_step
from tests.train.steps.test_step import batch, context, net


def test_against_numpy():
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(0, 2, (5, 4)), draw.integers(0, 4, 5)
    signs = np.where(np.arange(4) == labels[:, None], 1, -1)
    expected = (np.maximum(0, 1 - logits * signs) ** 2).mean()
    found = squared_hinge(torch.from_numpy(logits), torch.from_numpy(labels))
    np.testing.assert_allclose(found.item(), expected)


def test_beyond_the_margin_there_is_no_loss_and_halves_ask_for_nothing():
    logits = torch.tensor([[1.0, -1.0, -3.0]])
    assert squared_hinge(logits, torch.tensor([0])) == 0
    halves = squared_hinge(torch.tensor([[5.0, -5.0]]), torch.tensor([[0.5, 0.5]]))
    assert halves == 1  # a target of 0: max(0, 1 - 0)^2


def test_a_step_has_the_loss_and_refuses_weights_of_classes():
    model = net()
    loss, metrics = squared_hinge_step(model, batch(), context())
    logits = model(context().normalise(batch().images))
    assert loss == squared_hinge(logits, batch().labels)
    assert metrics.keys() == {"accuracy"}
    with pytest.raises(UsageError, match="method hinge has no weights of classes"):
        squared_hinge_step(model, batch(), context(class_weights=torch.ones(3)))
