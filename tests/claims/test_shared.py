"""Shared figures are measured once, and their minutes belong to the claim that measured them."""

from dataclasses import replace

import pytest

from fleetfoot.claims import ledger, shared
from fleetfoot.claims.claim import Control, Measurement, Setting
from tests.claims.toy import claim_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass only when a test says so."""
    now = [0.0]
    monkeypatch.setattr(shared.time, "monotonic", lambda: now[0])
    return now


def test_minutes_are_borrowed_by_later_claims_alone(clock: list[float]) -> None:
    calls: list[int] = []

    @shared.shared
    def figures(number: int) -> int:
        calls.append(number)
        clock[0] += 60 * number
        return number

    for borrowed in (0.0, 5.0):
        shared.watch()
        assert [figures(2), figures(2), figures(3)] == [2, 2, 3]
        assert shared.borrowed_minutes() == borrowed
    shared.watch()
    assert shared.borrowed_minutes() == 0.0
    assert [figures(2), figures(4)] == [2, 4]  # one is kept, one is measured now
    assert shared.borrowed_minutes() == 2.0
    assert calls == [2, 3, 4]


def test_what_fails_is_not_kept() -> None:
    @shared.shared
    def figures(fails: list[bool]) -> int:
        if fails.pop():
            raise RuntimeError("no way")
        return 1

    class Fails(list[bool]):
        __hash__ = object.__hash__

    fails = Fails([False, True])
    with pytest.raises(RuntimeError, match="no way"):
        figures(fails)
    assert figures(fails) == 1


def test_a_result_tells_what_it_borrowed(clock: list[float]) -> None:
    @shared.shared
    def figures() -> float:
        clock[0] += 180
        return 2.0

    claim = replace(
        claim_of(2.0, 1.0),
        measure=lambda _: Measurement(value=figures()),
        control=Control("half", lambda _: Measurement(value=0.5 * figures())),
    )
    first, second = (ledger.run(claim, Setting()) for _ in range(2))
    assert (first.minutes, first.borrowed_minutes) == (3.0, 0.0)
    assert (second.minutes, second.borrowed_minutes) == (0.0, 3.0)
