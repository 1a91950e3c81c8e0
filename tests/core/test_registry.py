"""The register of networks: strict about names, helpful about typing mistakes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from torch import nn

from fleetfoot.core import registry
from fleetfoot.core.errors import UsageError
from fleetfoot.core.registry import Member, register_family


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_entries", {})
    return


def _build(spec: int, num_classes: int, *, in_chans: int = 3) -> nn.Module:
    return nn.Linear(in_chans * spec, num_classes)


MEMBER = Member(spec=2, params=1, macs=2, note="small")


def _register(*names: str) -> None:
    register_family(_build, paper="ours", members=dict.fromkeys(names, MEMBER))


@pytest.mark.usefixtures("empty")
def test_entries_are_sorted_and_filtered() -> None:
    _register("zebra", "ant", "anteater")
    assert [entry.name for entry in registry.entries()] == ["ant", "anteater", "zebra"]
    assert [entry.name for entry in registry.entries("ant*")] == ["ant", "anteater"]
    ant = registry.entry("ant")
    assert (ant.input, ant.family, ant.note) == ((3, 224, 224), "test_registry", "small")
    built = ant.builder(5, in_chans=4)
    assert isinstance(built, nn.Linear)
    assert (built.in_features, built.out_features) == (8, 5)


@pytest.mark.usefixtures("empty")
def test_a_name_is_taken_once() -> None:
    _register("ant")
    with pytest.raises(ValueError, match="'ant' is registered twice"):
        _register("ant")


@pytest.mark.usefixtures("empty")
def test_a_typing_mistake_gets_the_nearest_names() -> None:
    _register("fasternet_t0")
    with pytest.raises(UsageError, match="'fastnet_t0' is not a network; nearest: fasternet_t0"):
        registry.entry("fastnet_t0")
    with pytest.raises(UsageError, match="`fleetfoot nets` lists all"):
        registry.entry("???")


@pytest.mark.usefixtures("empty")
def test_a_member_names_its_own_paper_and_a_file_its_family() -> None:
    members = {"ant": MEMBER, "zebra": replace(MEMBER, paper="theirs")}
    register_family(_build, paper="ours", members=members, family="animals")
    assert [entry.paper for entry in registry.entries()] == ["ours", "theirs"]
    assert {entry.family for entry in registry.entries()} == {"animals"}


@pytest.mark.usefixtures("empty")
def test_a_family_gives_what_its_members_leave_out() -> None:
    zebra = replace(MEMBER, input=(1, 28, 28), classes=4, checked_against="timm")
    register_family(
        _build,
        {"ant": MEMBER, "bee": replace(MEMBER, checked_against="timm:wasp"), "zebra": zebra},
        **{"paper": "ours", "input": (3, 32, 32), "classes": 10},
    )
    facts = [(e.input, e.classes, e.checked_against) for e in registry.entries()]
    naive = "naive:tests/nets/test_test_registry.py::check_against_naive"
    alike = ((3, 32, 32), 10)
    assert facts == [(*alike, naive), (*alike, "timm:wasp"), ((1, 28, 28), 4, "timm:zebra")]
