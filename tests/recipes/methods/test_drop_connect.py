"""DropConnect as a method: what is deployed for each inference."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.ops.drop_connect import DropConnect
from fleetfoot.recipes.method import method_of
from fleetfoot.train.method_word import MethodWord


def test_the_mean_is_a_plain_network_afterwards() -> None:
    net = create("cuda_convnet_26", num_classes=3, size=8)
    keys, made = [*net.state_dict()], net.created_as
    found = method_of(MethodWord.parse("drop_connect:keep=0.4,masks=batch"))
    assert found.surgery(net).changed == ("hidden.0",)
    layer = net.hidden[0]
    assert isinstance(layer, DropConnect)
    assert (layer.keep, layer.masks) == (0.4, "batch")
    x = torch.randn(2, 3, 8, 8)
    expected = net.eval()(x)
    finished = found.finish(net)
    assert type(finished.hidden[0]) is nn.Linear
    assert torch.equal(finished(x), expected)
    assert [*finished.state_dict()] == keys
    assert finished.created_as == made


def test_the_closed_form_stays_and_is_noted() -> None:
    net = create("cuda_convnet_26", num_classes=3, size=8)
    found = method_of(MethodWord.parse("drop_connect:inference=closed"))
    found.surgery(net)
    assert found.finish is None
    assert net.created_as.options["drop_connect"] == 0.5


def test_nonsense_is_refused_early() -> None:
    with pytest.raises(UsageError, match=r"keep=1\.5"):
        method_of(MethodWord.parse("drop_connect:keep=1.5"))
