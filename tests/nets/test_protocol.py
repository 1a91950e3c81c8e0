"""The parts of the protocol that are code."""

import torch
from torch import nn

from fleetfoot.nets.protocol import FeatureInfo, FeatureNet, classifier_layer, stage_maps


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
