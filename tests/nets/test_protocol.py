"""The parts of the protocol that are code."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.protocol import (
    Classifier,
    FeatureInfo,
    FeatureNet,
    check_size,
    classifier_layer,
    stage_maps,
)


class Tiny(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Identity()
        self.stages = nn.Sequential(nn.Conv2d(3, 4, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.5)
        self.classifier = classifier_layer(4, 2)
        self.feature_info = (FeatureInfo(0, 4, 1),)
        self.min_size = 1


class OneSize(Tiny):
    only_size = 8
    exact_reduction = False


def test_a_size_that_a_network_cannot_take_is_refused() -> None:
    net = Tiny()
    net.min_size = 4
    check_size(net, 4, name="tiny")
    with pytest.raises(UsageError, match=r"size = 3: tiny needs .* at least 4 .*--size 4"):
        check_size(net, 3, name="tiny")
    with pytest.raises(UsageError, match=r"size = 9: one takes images of 8 pixels alone"):
        check_size(OneSize(), 9, name="one")


def test_maps_are_those_asked_for() -> None:
    stages = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2))
    info = (FeatureInfo(1, 3, 2), FeatureInfo(2, 3, 4))
    x = torch.rand(1, 3, 8, 8)
    maps = stage_maps(nn.Identity(), stages, info, x)
    assert [tuple(m.shape[2:]) for m in maps] == [(4, 4), (2, 2)]


def test_no_classes_is_the_identity() -> None:
    assert isinstance(classifier_layer(4, 0), nn.Identity)
    assert classifier_layer(4, 2)(torch.zeros(1, 4)).shape == (1, 2)


def test_a_pyramid_keeps_names_and_drops_the_head() -> None:
    from fleetfoot.nets.create import create

    whole = create("fleetnet_small", width=0.25)
    pyramid = FeatureNet(whole)  # type: ignore[arg-type]
    assert set(pyramid.state_dict()) == {k for k in whole.state_dict() if "classifier" not in k}
    assert pyramid.min_size == 1


def test_a_family_inherits_the_three_methods() -> None:
    net, x = Tiny().eval(), torch.rand(2, 3, 5, 5)
    (last,) = net.forward_features(x)
    assert torch.equal(last, net.stages(x))
    assert torch.equal(net.forward_pooled(x), last.mean(dim=(2, 3), keepdim=True).flatten(1))
    assert torch.equal(net(x), net.classifier(net.forward_pooled(x)))


def test_a_pyramid_keeps_what_sizes_the_network_takes() -> None:
    kept = [(net.only_size, net.exact_reduction) for net in map(FeatureNet, (Tiny(), OneSize()))]
    assert kept == [(None, True), (8, False)]
