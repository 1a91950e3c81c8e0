"""Checks of arguments: the value comes back, or one line says what is allowed."""

from collections.abc import Callable

import pytest

from fleetfoot.core.arguments import above_zero, at_least, odd, of_kind, one_of, rate, same_length
from fleetfoot.core.errors import UsageError


def test_what_fits_comes_back() -> None:
    assert one_of(2, iter((4, 2)), "patch") == 2
    assert [rate(value, "dropout") for value in (0, 0.0, 0.999)] == [0, 0.0, 0.999]
    assert at_least(8, 8, "size") == 8
    assert above_zero(1e-9, "width") == 1e-9
    same_length()
    same_length(layers=(1, 2), widths=[3, 4])


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: one_of("x", ("a", "b", "c"), "act"), "act='x' is not offered: take 'a', 'b' or"),
        (lambda: one_of(3, (4,), "patch"), r"patch=3 is not offered: take 4$"),
        (lambda: rate(1.0, "dropout"), r"^dropout=1\.0 is not in \[0, 1\)$"),
        (lambda: rate(-0.1, "drop_path"), r"^drop_path=-0\.1 is not in"),
        (lambda: rate(float("nan"), "dropout"), "dropout=nan"),
        (lambda: at_least(8, 7, "size"), r"^size=7 is too small: give at least 8$"),
        (lambda: above_zero(0, "width"), r"^width=0 is not above 0$"),
        (lambda: above_zero(float("nan"), "width"), "width=nan"),
        (
            lambda: same_length(layers=(1,), widths=(1, 2)),
            "^layers has 1, widths has 2: give as many of each$",
        ),
    ],
)
def test_what_does_not_is_refused_in_one_line(check: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (1, float, True),
        (True, float, False),
        (True, int, False),
        (True, bool, True),
        (1, bool, False),
        (None, float | None, True),
        ("x", float | None, False),
        (["anything"], tuple[int, ...], True),
    ],
)
def test_a_value_is_of_the_annotated_kind(value: object, kind: object, fits: bool) -> None:
    if fits:
        assert of_kind(value, kind, "width") is value
    else:
        with pytest.raises(UsageError, match="width="):
            of_kind(value, kind, "width")


@pytest.mark.parametrize("value", [0, -1, 2, -4])
def test_odd_refuses_what_has_no_centre(value: int) -> None:
    assert odd(3, "size") == 3
    with pytest.raises(UsageError, match=f"size={value} is no odd side"):
        odd(value, "size")
