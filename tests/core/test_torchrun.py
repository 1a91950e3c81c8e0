"""Variables of torchrun count together, and say what is wrong with them."""

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.core.torchrun import Process, started_as

ALL = {
    **{"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "2"},
    **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"},
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALL:
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_together_they_say_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, ALL)
    assert started_as() == Process(rank=1, world=3, local_rank=2)
    assert not started_as().is_first
    monkeypatch.delenv("LOCAL_RANK")
    assert started_as() == Process(rank=1, world=3)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RANK": "1"},
        {"LOCAL_RANK": "1"},
        {"WORLD_SIZE": "4"},
        {"RANK": "", "WORLD_SIZE": "4"},
        {"RANK": "1", "WORLD_SIZE": "1"},
    ],
)
def test_one_without_the_others_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    set_all(monkeypatch, variables)
    assert started_as() == Process()
    assert started_as().is_first


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "one", "RANK=one: is no number"),
        ("RANK", "-1", "RANK=-1: is no number"),
        ("RANK", "3", "RANK=3: is not below WORLD_SIZE=3"),
        ("WORLD_SIZE", "2.5", "WORLD_SIZE=2.5: is no number"),
        ("LOCAL_RANK", "x", "LOCAL_RANK=x: is no number"),
        ("MASTER_PORT", "", "WORLD_SIZE=3 without MASTER_PORT"),
    ],
)
def test_what_cannot_be_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    set_all(monkeypatch, {**ALL, name: value})
    with pytest.raises(UsageError, match=message):
        started_as()
