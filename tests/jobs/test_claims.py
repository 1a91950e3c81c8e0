"""The verb: three words, one record; what is refused; the screen."""

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from fleetfoot import cli
from fleetfoot.claims import ledger
from fleetfoot.claims.claim import Claim, Control, Measurement, Setting
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.stored import store
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.jobs import claims as claims_job
from fleetfoot.jobs.claims_record import MEASURED, NOT_BY_THE_RULE, ClaimRow, ClaimsRecord
from fleetfoot.jobs.requests import ClaimsRequest
from fleetfoot.jobs.screen import show


def broken(_: Setting) -> Measurement:
    raise RuntimeError("no way")


GOOD = Claim(
    id="toy/good",
    paper="a paper",
    sentence="Two is more than one.",
    protocol="none",
    unit="times",
    paper_value=2.0,
    measure=lambda _: Measurement(value=2.5, low=2.4, high=2.6),
    rule=at_least(2.0, 1.5),
    control=Control("nothing is measured", lambda _: Measurement(value=1.0)),
    footing={"cpu": "as published"},
)
BAD = dataclasses.replace(GOOD, id="toy/bad", paper_value=None, measure=broken)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ledger, "claims", lambda: {"toy/bad": BAD, "toy/good": GOOD})
    monkeypatch.setattr(claims_job, "SHIPPED", tmp_path / "shipped")


def claims(word: str, ids: Sequence[str] = (), **words: Any) -> ClaimsRecord:
    return claims_job.claims(ClaimsRequest(word=word, ids=tuple(ids), **words))


def value_of(row: ClaimRow) -> float | None:
    return row.as_json()["value"]


def verdict_of(row: ClaimRow) -> str | None:
    return row.as_json()["verdict"]


def test_the_folder_of_results_is_looked_at_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: is a file"):
        claims("run", ["toy/good"], out=tmp_path / "file")
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        claims("table", out=tmp_path / "nowhere")


def test_a_damaged_result_does_not_hide_the_others(tmp_path: Path) -> None:
    claims("run", ["toy/good"], out=tmp_path)
    (tmp_path / "toy.bad.cpu.json").write_text("{")
    record = claims("table", out=tmp_path)
    assert [value_of(row) for row in record.claims] == [None, 2.5]
    (problem,) = record.problems
    assert "toy.bad.cpu.json" in problem


def test_a_stored_verdict_is_judged_again(tmp_path: Path) -> None:
    claims("run", ["toy/good"], out=tmp_path)
    path = tmp_path / "toy.good.cpu.json"
    path.write_text(
        path.read_text().replace('"verdict": "reproduced"', '"verdict": "not reproduced"')
    )
    (row,) = claims("table", ["toy/good"], out=tmp_path).claims
    assert row.error == NOT_BY_THE_RULE
    stream = io.StringIO()
    show("claims", ClaimsRecord(word="table", claims=(row,)), stream)
    said = " ".join(stream.getvalue().split())
    assert (
        "not reproduced (the stored verdict is not what rule and footing say of the values)" in said
    )


def test_what_cannot_be_stored_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(claims_job, "store", full)
    (row,) = claims("run", ["toy/good"], out=tmp_path).claims
    assert (value_of(row), row.exit_code) == (2.5, 1)
    assert "is not stored, No space left" in (row.error or "")


def test_listing_measures_nothing(tmp_path: Path) -> None:
    record = claims("list", out=tmp_path / "out")
    assert [row.claim.id for row in record.claims] == ["toy/bad", "toy/good"]
    assert {value_of(row) for row in record.claims} == {None}
    assert record.claims[1].claim.sentence == "Two is more than one."


def test_running_stores_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    record = claims("run", ["toy/*"], out=tmp_path / "out")
    bad, good = record.claims
    assert "no way" in (bad.error or "")
    assert (bad.exit_code, verdict_of(bad)) == (1, None)
    told = good.as_json()
    expected = {
        **{"verdict": "reproduced", "footing": "as published", "reason": None},
        **{"value": 2.5, "low": 2.4, "high": 2.6, "control_value": 1.0},
        **{"control_outcome": "failed_as_it_should", "control_in_doubt": False},
    }
    assert expected.items() <= told.items()
    assert told["machine"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["toy.good.cpu.json"]


def test_the_table_prefers_own_results_and_thorough_scales(tmp_path: Path) -> None:
    store(ledger.run(GOOD, Setting()), claims_job.SHIPPED)
    (tmp_path / "out").mkdir()
    bad, good = claims("table", out=tmp_path / "out").claims
    assert (value_of(bad), verdict_of(bad)) == (None, None)
    assert (verdict_of(good), good.result and good.result.scale) == ("reproduced", "cpu")
    claims("run", ["toy/good"], scale="smoke", out=tmp_path / "out")
    assert claims("table", ["toy/good"], out=tmp_path / "out").claims[0].as_json()["scale"] == "cpu"
    lower = dataclasses.replace(GOOD, measure=lambda _: Measurement(value=1.0))
    store(ledger.run(lower, Setting()), tmp_path / "out")
    mine = claims("table", ["toy/good"], out=tmp_path / "out").claims[0]
    assert verdict_of(mine) == "not reproduced"


def test_the_table_has_a_row_for_each_scale(tmp_path: Path) -> None:
    store(ledger.run(GOOD, Setting()), tmp_path)
    gpu = dataclasses.replace(ledger.run(GOOD, Setting()), scale="gpu")
    store(gpu, claims_job.SHIPPED)
    rows = claims("table", ["toy/good"], out=tmp_path).claims
    assert [row.as_json()["scale"] for row in rows] == ["gpu", "cpu"]


def test_the_scale_is_that_of_the_device(tmp_path: Path) -> None:
    words = {"word": "run", "ids": ["toy/good"], "out": tmp_path}
    assert claims(**words).claims[0].as_json()["scale"] == "cpu"
    with pytest.raises(UsageError, match="matches 'toy/\\*' at the gpu scale"):
        claims(**{**words, "ids": ["toy/*"], "device": "cuda"})
    assert "do not fit" in (claims(**words, scale="cpu", device="cuda").claims[0].error or "")


def test_a_control_that_breaks_is_told(tmp_path: Path) -> None:
    claim = dataclasses.replace(GOOD, control=Control("breaks", broken))
    store(ledger.run(claim, Setting()), tmp_path)
    row = claims("table", ["toy/good"], out=tmp_path).claims[0]
    assert (row.as_json()["control_value"], row.as_json()["control_outcome"]) == (None, "not_run")
    stream = io.StringIO()
    show("claims", ClaimsRecord(word="table", claims=(row,)), stream)
    assert "not run: unexpected RuntimeError: no way" in stream.getvalue()


def test_a_rule_that_moved_is_told(tmp_path: Path) -> None:
    moved = dataclasses.replace(GOOD, rule=at_least(3.0, 1.5))
    store(ledger.run(moved, Setting()), tmp_path)
    row = claims("table", ["toy/good"], out=tmp_path).claims[0]
    assert "rule was changed" in (row.error or "")
    assert row.exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"word": "show"}, "claims show: is not one of list, run, table"),
        ({"word": "run"}, "at least one claim"),
        ({"word": "run", "ids": ["toy/*"], "scale": "huge"}, "--scale huge"),
        ({"word": "run", "ids": ["toy/*"], "device": "tpu"}, "--device tpu"),
        ({"word": "table", "ids": ["toy/goo"]}, "nearest: toy/good"),
    ],
)
def test_wrong_words(words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        claims(**words)


def test_json_has_every_key_and_the_exit_code_is_the_first_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["claims", "run", "toy/*", "--out", str(tmp_path), "--json", "--quiet"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "fleetfoot.claims/2"
    keys = set(ClaimRow(claim=GOOD).as_json())
    assert set(MEASURED) < keys
    assert all(set(row) == keys for row in answer["claims"])


def test_the_screen_has_paper_and_measurement_side_by_side() -> None:
    standing_in = dataclasses.replace(
        GOOD,
        footing={"cpu": "stand-in"},
        measure=lambda _: Measurement(value=2.5, low=1.9, high=2.6),
        control=Control("nothing", lambda _: Measurement(value=1.0, low=0.9, high=1.7)),
    )
    row = claims_job.measured_row(standing_in, ledger.run(standing_in, Setting()))
    stream = io.StringIO()
    show("claims", ClaimsRecord(word="table", claims=(row,)), stream)
    heading, line, _, remark = stream.getvalue().splitlines()
    headings = ["claim", "verdict", "footing", "paper", "here", "interval", "control"]
    assert heading.split()[:7] == headings
    assert "outcome of control" in heading
    said = " ".join(line.split())
    border = "undecided: the interval contains a border of the rule"
    assert said.startswith(f"toy/good {border} stand-in 2 2.5 1.9 to 2.6 1 failed as it should *")
    assert remark == "* the control's interval holds the other outcome, too"
    stream = io.StringIO()
    show("claims", ClaimsRecord(word="list", claims=(row,)), stream)
    assert "Two is more than one." in stream.getvalue()
