"""The register of networks: strict about names, helpful about typing mistakes."""

from collections.abc import Iterator

import pytest
from torch import nn

from fleetfoot.core import registry
from fleetfoot.core.errors import UsageError


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_entries", {})
    return


def _register(name: str) -> None:
    def builder(num_classes: int, in_chans: int) -> nn.Module:
        return nn.Linear(in_chans, num_classes)

    builder.__name__ = name
    registry.register_net(params=1, macs=2, paper="ours", checked_against="sheet:x")(builder)


@pytest.mark.usefixtures("empty")
def test_entries_are_sorted_and_filtered() -> None:
    for name in ("zebra", "ant", "anteater"):
        _register(name)
    assert [entry.name for entry in registry.entries()] == ["ant", "anteater", "zebra"]
    assert [entry.name for entry in registry.entries("ant*")] == ["ant", "anteater"]
    assert registry.entry("ant").input == (3, 224, 224)


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
