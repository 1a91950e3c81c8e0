"""The catalog: what it refuses, and what it leaves on a network."""

import copy

import pytest
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import build, entry, option_names
from fleetfoot.nets.create import create
from fleetfoot.nets.protocol import CreatedAs


def test_options_are_those_of_the_family() -> None:
    assert option_names(entry("fasternet_t0").builder) == ("patch", "drop_path", "dropout")
    assert option_names(entry("fleetnet").builder) == (
        "width",
        "frozen_stem",
        "mirrored",
        "dropout",
    )

    def plain(spec: int, num_classes: int, *, in_chans: int) -> nn.Module:
        return nn.Linear(in_chans * spec, num_classes)

    assert option_names(plain) == ()


def test_a_network_knows_how_it_was_made() -> None:
    net = build("fleetnet_small", num_classes=4, in_chans=1, options={"width": 0.5})
    assert net.created_as == CreatedAs("fleetnet_small", 4, 1, {"width": 0.5})
    assert copy.deepcopy(net).created_as == net.created_as


def test_refuses_unknown_words_in_one_line() -> None:
    with pytest.raises(UsageError, match="fleetnet has no option 'depth'; it has width"):
        build("fleetnet", num_classes=None, in_chans=3, options={"depth": 2})
    with pytest.raises(UsageError, match="-1 classes and 3 image channels"):
        build("fleetnet", num_classes=-1, in_chans=3, options={})
    with pytest.raises(UsageError, match="nearest: fleetnet"):
        build("fleetnett", num_classes=None, in_chans=3, options={})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"num_classes": "10"}, "num_classes='10' is not a whole number"),
        ({"num_classes": True}, "num_classes=True is not a whole number"),
        ({"in_chans": 1.5}, "in_chans=1.5 is not a whole number"),
        ({"width": "1"}, "width='1' is not a number"),
        ({"frozen_stem": "no"}, "frozen_stem='no' is not true or false"),
        ({"class_map": 0}, "class_map=0 is too small: give at least 1"),
    ],
)
def test_arguments_of_another_kind_are_refused_in_one_line(
    words: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        create("fleetnet", **words)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="network=3 is not a text"):
        create(3)  # type: ignore[arg-type]
