"""Every claim runs at smoke scale, where it has one: figures that are numbers, rows that agree."""

import json
import math
import os
from pathlib import Path

import pytest

from fleetfoot.claims import ledger
from fleetfoot.claims.claim import Claim, Measurement, Setting
from fleetfoot.core.errors import DataError, MissingError
from fleetfoot.core.results import to_json

QUICK = [claim for claim in ledger.claims().values() if "smoke" in claim.scales]


def check(measurement: Measurement) -> None:
    assert math.isfinite(measurement.value)
    if measurement.low is not None and measurement.high is not None:
        assert measurement.low <= measurement.value <= measurement.high
    assert measurement.table
    assert len({tuple(row) for row in measurement.table}) == 1, "rows have equal keys"


@pytest.mark.slow
@pytest.mark.parametrize("claim", QUICK, ids=lambda claim: claim.id)
def test_a_claim_runs_at_smoke_scale(claim: Claim) -> None:
    data = os.environ.get("FLEETFOOT_DATA")
    setting = Setting(scale="smoke", data=None if data is None else Path(data))
    try:
        ledger.check(claim, setting)
    except (DataError, MissingError) as error:
        pytest.skip(str(error))
    result = ledger.run(claim, setting)
    check(result.measurement)
    assert result.control is not None, result.control_error
    check(result.control)
    assert json.loads(json.dumps(to_json(result)))["id"] == claim.id
