"""Name tables: every key of every network has a foreign name, and no two share one."""

from functools import cache

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entries, entry
from fleetfoot.nets.create import skeleton
from fleetfoot.nets.names import fits_stages, foreign_names, rules_of

# The library has other members of these families, but not these.
ABSENT = {("alexnet_2012_22k", "torchvision")}
ABSENT |= {(e.name, "torchvision") for e in entries("semnasnet_*")}
# Members of a family differ in numbers alone: beyond the smallest, large ones are slow.
SMALLEST = {e.family: e.name for e in sorted(entries(), key=lambda e: -e.params)}.values()
PAIRS = [
    pytest.param(
        *(e.name, d),
        marks=pytest.mark.slow if e.params > 10_000_000 and e.name not in SMALLEST else [],
    )
    for e in entries()
    for d in rules_of(e.family)
    if (e.name, d) not in ABSENT
]


@cache
def keys_of(name: str) -> tuple[str, ...]:
    return tuple(skeleton(name).state_dict())


@pytest.mark.parametrize(("name", "dialect"), PAIRS)
def test_names_are_complete_and_distinct(name: str, dialect: str) -> None:
    keys = list(keys_of(name))
    names = foreign_names(keys, entry(name).family, dialect)
    assert list(names) == keys
    assert len(set(names.values())) == len(keys)


@pytest.mark.parametrize(("name", "dialect"), sorted(ABSENT))
def test_a_table_of_other_members_is_refused(name: str, dialect: str) -> None:
    with pytest.raises(UsageError, match="has no rule for"):
        foreign_names(keys_of(name), entry(name).family, dialect)


@pytest.mark.parametrize(
    ("name", "family", "dialect", "fits"),
    [
        ("layer3.5.conv2.weight", "resnet", "timm", True),
        ("fc.weight", "resnet", "timm", False),
        ("layer3.5.gate.weight", "resnet", "timm", False),
        ("blocks.6.0.conv.weight", "mobilenet_v3", "timm", False),  # its head
        ("stages.7.0.conv.weight", "resnet", "fleetfoot", True),
        ("neck.weight", "resnet", "fleetfoot", False),
    ],
)
def test_names_that_only_stages_have(name: str, family: str, dialect: str, fits: bool) -> None:
    assert fits_stages(name, family, dialect) is fits


def test_examples_written_out() -> None:
    keys = [
        "stages.0.0.depthwise.conv.weight",
        "stages.0.0.project.norm.bias",
        "stages.1.0.expand.conv.weight",
        "stages.1.1.project.conv.weight",
    ]
    assert list(foreign_names(keys, "efficientnet_lite", "lukemelas").values()) == [
        "_blocks.0._depthwise_conv.weight",
        "_blocks.0._bn2.bias",
        "_blocks.1._expand_conv.weight",
        "_blocks.2._project_conv.weight",
    ]
    assert list(foreign_names(keys, "efficientnet_lite", "timm").values()) == [
        "blocks.0.0.conv_dw.weight",
        "blocks.0.0.bn2.bias",
        "blocks.1.0.conv_pw.weight",
        "blocks.1.1.conv_pwl.weight",
    ]
    block = "stages.2.blocks.7.mix.weight"
    assert foreign_names([block, "stages.3.merge.norm.bias"], "fasternet", "official") == {
        block: "stages.4.blocks.7.spatial_mixing.partial_conv3.weight",
        "stages.3.merge.norm.bias": "stages.5.norm.bias",
    }


def test_our_own_names_are_themselves() -> None:
    assert foreign_names(["a.b"], "fleetnet", "fleetfoot") == {"a.b": "a.b"}


def test_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UsageError, match="fleetnet has no name table 'timm'; it has none"):
        foreign_names(["stem"], "fleetnet", "timm")
    with pytest.raises(UsageError, match=r"no rule for 'neck\.weight'"):
        foreign_names(["neck.weight"], "fasternet", "timm")
