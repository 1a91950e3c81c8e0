import time

import pytest

from fleetfoot.train.planning.clock import SHARE, WITHOUT_MINUTES, Clock


def test_planning_has_a_share_of_the_minutes_from_its_beginning_on() -> None:
    begun = time.perf_counter() - 5.0
    assert SHARE < 0.15
    left = Clock.for_planning(2.0, started=begun).left
    assert left == pytest.approx(SHARE * 120 - 5.0, abs=0.5)
    assert Clock.for_planning(None, started=begun).left == pytest.approx(
        WITHOUT_MINUTES - 5.0, abs=0.5
    )


def test_a_part_is_of_what_is_left_and_bounded() -> None:
    clock = Clock(10.0)
    assert clock.part(0.5, most=99.0).left == pytest.approx(5.0, abs=0.2)
    assert clock.part(0.5, most=2.0).left == pytest.approx(2.0, abs=0.2)
    assert Clock(-1.0).part(0.5, most=2.0).left < 0
