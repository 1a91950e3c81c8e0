from pathlib import Path

import pytest
import tiny_run as tiny
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.train.head import cached_features, fit_linear, train_head
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps import Context


def context(**changes: object) -> Context:
    normalise = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
    return Context(tiny.recipe(**changes), 0, 3, normalise, "float32")


def test_only_the_classifier_changes_and_it_learns() -> None:
    net, data = tiny.new_net(), tiny.data()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    train_head(net, data, context(head_steps=200, head_views=1), workers=0)
    changed = {n for n, tensor in net.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed == {"classifier.weight", "classifier.bias"}
    features, labels = cached_features(net, data, context(), workers=0)
    found = net.classifier(features).argmax(dim=1)
    assert (found == labels).float().mean() == 1.0


def test_features_are_those_of_the_plain_images_then_of_the_views() -> None:
    net, data = tiny.new_net(), tiny.data(train_images=10)
    features, labels = cached_features(net, data, context(head_views=2), workers=0)
    assert features.shape == (30, 16)
    assert labels[:10].tolist() == data.train.labels.tolist()
    again, _ = cached_features(net, data, context(head_views=2), workers=0)
    assert torch.equal(features, again)


def test_standardisation_is_folded_into_the_weights() -> None:
    torch.manual_seed(0)
    features = torch.randn(60, 4) * torch.tensor([1.0, 10.0, 0.1, 1.0]) + 5
    labels = (features[:, 2] > 5).long()
    weight, bias = fit_linear(features, labels, context(head_steps=300))
    found = (features @ weight.T + bias).argmax(dim=1)
    assert (found == labels).float().mean() > 0.95


def test_a_net_without_a_linear_classifier_is_refused() -> None:
    with pytest.raises(UsageError, match="head_steps = 5 needs a network with `forward_pooled`"):
        train_head(nn.Linear(2, 2), tiny.data(), context(head_steps=5), workers=0)


def test_a_run_begins_with_the_head(tmp_path: Path) -> None:
    result = tiny.run(tmp_path, tiny.recipe(epochs=1, head_steps=200, frozen_body=True, ema=0.9))
    assert result.val_top1 > 0.9
