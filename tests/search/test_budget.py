import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.search.budget import parse_budget


@pytest.mark.parametrize("text", ["fast", "", "-3ms", "0ms", "5 minutes", "nan", "infs"])
def test_a_budget_that_is_no_time_is_refused_by_value(text: str):
    with pytest.raises(UsageError, match="budget") as caught:
        parse_budget(text)
    assert repr(text) in str(caught.value)
