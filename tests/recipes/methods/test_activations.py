"""Activations as methods: put in, noted for `create`, refused if unknown."""

import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import create
from fleetfoot.recipes.method import method_of
from fleetfoot.train.method_word import MethodWord


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("activation:kind=elu", "elu"),
        ("fplus", "fplus"),
        ("pfplus", "pfplus_channels"),
        ("pfplus:channels=false", "pfplus"),
    ],
)
def test_every_word_is_an_option_of_create(word: str, option: str) -> None:
    torch.manual_seed(0)
    net = create("cuda_convnet_26", num_classes=3, size=8)
    assert len(method_of(MethodWord.parse(word)).surgery(net).changed) == 4
    made = net.created_as
    assert made.options == {"size": 8, "activation": option}
    again = create(made.name, num_classes=3, **made.options)
    again.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(again.eval()(x), net.eval()(x))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="kind='swish'"):
        method_of(MethodWord.parse("activation:kind=swish"))
