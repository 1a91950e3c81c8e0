import math
import xml.etree.ElementTree as ET

import pytest

from fleetfoot.report.plane import Axis, Plane, ticks


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.0, 1e-3), (3.0, 1234.5), (-2.0, 2.0), (0.95, 0.96), (0, 7e9)]
)
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 11
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) for tick in found)


def test_a_single_value_has_one_tick() -> None:
    assert ticks(2.0, 2.0) == [2.0]


def test_equal_ratios_are_equal_distances_on_a_log_axis() -> None:
    axis = Axis(label="ms", low=1.0, high=100.0, log=True)
    assert [axis.share(value) for value in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert axis.share(0.001) == 0.0  # outside stops at the end
    assert axis.share(1e9) == 1.0


def test_over_shows_every_value_with_room_beside_it() -> None:
    for log in (False, True):
        axis = Axis.over([3.0, 7.0, 2.0], "x", log=log)
        assert 0 < axis.share(2.0) < axis.share(7.0) < 1
    single = Axis.over([5.0], "x", log=True)
    assert single.share(5.0) == pytest.approx(0.5)


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-1.0]])
def test_a_log_axis_refuses_what_it_cannot_show(values: list[float]) -> None:
    with pytest.raises(ValueError, match="cannot show"):
        Axis.over(values, "x", log=True)


@pytest.mark.parametrize(("low", "high"), [(0.8, 1.3), (1, 3), (0.3, 90), (1e-3, 1e4)])
def test_log_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = Axis(label="x", low=low, high=high, log=True).ticks()
    assert 2 <= len(found) <= 11
    assert all(low <= tick <= high for tick in found)
    mantissas = {round(tick / 10 ** math.floor(math.log10(tick)), 6) for tick in found}
    assert mantissas <= {1, 2, 5} or high / low < 5


def test_percent_axis_stays_between_0_and_1() -> None:
    axis = Axis.over([0.0, 1.0], "top-1", percent=True)
    assert (axis.low, axis.high) == (0.0, 1.0)
    assert axis.text(0.5) == "50%"


def test_frame_escapes_labels() -> None:
    plane = Plane(Axis(label="<a>", low=0, high=1), Axis(label='"&"', low=0, high=1))
    root = ET.fromstring(f"<g>{plane.frame()}{plane.legend([('c1', '<b>')])}</g>")
    texts = [node.text for node in root.iter("text")]
    assert {"<a>", '"&"', "<b>"} <= set(texts)
