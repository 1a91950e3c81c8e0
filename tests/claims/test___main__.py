"""The words of `python -m fleetfoot.claims`, and one claim from end to end at smoke scale."""

import json
from pathlib import Path

import pytest

from fleetfoot.claims.__main__ import main


def test_a_claim_is_measured_and_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scale", "smoke", "--out", str(tmp_path)]
    assert main(["run", "fasternet/table1-cpu", "fasternet/table1-gpu", *words]) == 2
    said = capsys.readouterr().out
    assert "fasternet/table1-cpu: undecided (the smoke scale does not decide it)" in said
    assert "fasternet/table1-gpu has no smoke scale" in said
    record = json.loads((tmp_path / "fasternet.table1-cpu.smoke.json").read_text())
    assert {row["operator"] for row in record["measurement"]["table"]} == {"pconv", "dwconv"}
    assert main(["run", "fasternet/nothing", *words]) == 2
