import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.results import PassResult, Skip, to_json


@dataclass(frozen=True)
class Inner:
    latency_ms_p50: float | None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    values: tuple[float, ...] = ()
    more: dict[object, object] = field(default_factory=dict)


def test_records_become_plain_values_with_the_schema_first() -> None:
    record = Outer("a", Inner(1.5), (1.0, 2.0), {Path("x"): {3}, 4: None})
    plain = to_json(record, schema="fleetfoot.test/1")
    assert plain == {
        "schema": "fleetfoot.test/1",
        "name": "a",
        "inner": {"latency_ms_p50": 1.5},
        "values": [1.0, 2.0],
        "more": {"x": [3], "4": None},
    }
    assert next(iter(plain)) == "schema"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32("nan"), None),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([1.0, np.inf]), [1.0, None]),
        (Path("a") / "b", "a/b"),
        (True, True),
        (None, None),
        ((), []),
    ],
)
def test_scalars(value: object, plain: object) -> None:
    found = to_json(value)
    assert found == plain
    assert type(found) is type(plain)
    json.dumps(found, allow_nan=False)


def test_pass_results_keep_sites_and_reasons() -> None:
    result = PassResult(model=None, changed=("a",), skipped=(Skip("b", "why"),))  # type: ignore[arg-type]
    assert to_json(result.skipped) == [{"site": "b", "reason": "why"}]
