"""Channel rounding against its definition, searched instead of computed."""

import pytest

from fleetfoot.core.rounding import round_channels


@pytest.mark.parametrize("divisor", [4, 8])
def test_is_the_nearest_multiple_that_loses_at_most_a_tenth(divisor: int) -> None:
    for tenths in range(1, 6000):
        channels = tenths / 10
        multiples = range(divisor, 640, divisor)
        allowed = [m for m in multiples if m >= 0.9 * channels]
        expected = min(allowed, key=lambda m: (abs(m - channels), -m))
        assert round_channels(channels, divisor=divisor) == expected, channels
