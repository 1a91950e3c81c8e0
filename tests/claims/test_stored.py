"""Results on disk: by id and scale, refused where damaged, judged again where they are old."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleetfoot.claims import ledger
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.judgement import rule_sha256
from fleetfoot.claims.stored import read_result, results_of, store, stored
from fleetfoot.core.errors import DataError
from tests.claims.toy import claim_of

SMOKE = Setting(scale="smoke")


def test_results_are_kept_by_id_and_scale(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    store(ledger.run(claim_of(2.5, 1.0), Setting()), shipped)
    store(ledger.run(claim_of(2.5, 1.0), SMOKE), shipped)
    path = store(ledger.run(claim_of(1.7, 1.0), Setting()), own)
    (own / "unrelated.json").write_text("[]")
    found = stored((shipped, own, tmp_path / "nowhere"))
    assert set(found) == {("family/what", "cpu"), ("family/what", "smoke")}
    assert found["family/what", "cpu"].judgement.verdict == "partly"
    assert [r.scale for r in results_of(claim_of(1, 1), found)] == ["cpu"]
    path.write_text('{"schema": "another/1"}')
    with pytest.raises(DataError, match="is not a claim result"):
        stored((own,))


def test_a_result_comes_back_whole(tmp_path: Path) -> None:
    result = ledger.run(claim_of(2.5, 1.0), Setting())
    assert read_result(store(result, tmp_path)) == result


@pytest.mark.parametrize(
    ("part", "key"),
    [
        *(("", "judgement"), ("", "control"), ("measurement", "low"), ("provenance", "commit")),
        ("judgement", "reason"),
    ],
)
def test_a_result_without_a_key_is_refused(tmp_path: Path, part: str, key: str) -> None:
    path = store(ledger.run(claim_of(2.5, 1.0), Setting()), tmp_path)
    record = json.loads(path.read_text())
    del (record[part] if part else record)[key]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=rf"what\.cpu\.json: .* lacks .*{key}"):
        stored((tmp_path,))
    path.write_text(json.dumps({**record, "measurement": 3, "provenance": None}))
    with pytest.raises(DataError, match="lacks"):
        stored((tmp_path,))


@pytest.mark.parametrize(
    ("value", "verdict"), [(2.5, "reproduced"), (1.7, "partly"), (1.0, "not reproduced")]
)
def test_results_of_the_format_before_are_judged_again(
    tmp_path: Path, value: float, verdict: Any
) -> None:
    """They had a verdict at the top and knew no footing."""
    claim = claim_of(value, 1.0)
    path = store(ledger.run(claim, Setting()), tmp_path)
    record = json.loads(path.read_text())
    del record["judgement"], record["rule_sha256"]
    before = {
        "schema": "fleetfoot.claim/1",
        "paper": claim.paper,
        "verdict": "reproduced",
        "control_outcome": "failed_as_it_should",
        "verdict_sha256": "0" * 64,
    }
    path.write_text(json.dumps(record | before))
    (result,) = results_of(claim, stored((tmp_path,)))
    assert result.judgement.verdict == verdict
    assert result.rule_sha256 == rule_sha256(claim)
    assert result.measurement.value == value
