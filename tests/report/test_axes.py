import pytest

from fleetfoot.report.axes import HEIGHT, WIDTH, Scale, svg, ticks


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.0, 1e-3), (3.0, 1234.5), (-2.0, 2.0), (0.95, 0.96), (0, 7e9)]
)
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 11
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) for tick in found)


def test_a_single_value_has_one_tick() -> None:
    assert ticks(2.0, 2.0) == [2.0]


def test_scale_stays_on_paper_even_for_one_value() -> None:
    scale = Scale.over([5.0], [1.0], None)
    assert 0 < scale.x(5.0) < WIDTH
    assert 0 < scale.y(1.0) < HEIGHT


def test_svg_escapes_its_title() -> None:
    assert 'aria-label="&quot;&gt;&lt;b"' in svg([], title='"><b')
