"""The ledger keeps its word: ids, rules that do not move, controls that fail, whole results."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetfoot.claims import ledger
from fleetfoot.claims.claim import SCALES, Claim, Control, Measurement, Needs, Setting
from fleetfoot.claims.judgement import judge, rule_sha256, train_errors
from fleetfoot.claims.rules import HELD
from fleetfoot.claims.stored import SCHEMA, SHIPPED, Result, file_name, read_result, store
from fleetfoot.core.errors import DataError, FleetfootError, MissingError, UsageError
from tests.claims.toy import claim_of

SMOKE = Setting(scale="smoke")
RESULTS = sorted(SHIPPED.glob("*.json"))


@pytest.mark.parametrize("claim", ledger.claims().values(), ids=lambda claim: claim.id)
def test_a_claim_is_complete(claim: Claim) -> None:
    named = re.fullmatch(r"[a-z0-9]+/[a-z0-9]+(-[a-z0-9]+)*", claim.id)
    assert named, f"{claim.id}: is family/what, in a-z and 0-9, dashes behind the slash alone"
    texts = (claim.paper, claim.sentence, claim.protocol, claim.unit, claim.control.sentence)
    assert all(text and text == " ".join(text.split()) for text in texts)
    assert claim.sentence.endswith(".")
    assert any(map(claim.decides, claim.footing)), "at no scale of its own is it judged"
    assert set(claim.footing) <= set(SCALES) - {"smoke"}
    assert ("gpu" in claim.footing) or claim.needs.device == "cpu"
    if claim.paper_value is not None:
        assert claim.rule(claim.paper_value) in HELD, "the paper's own figure"


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_a_stored_result_still_stands(path: Path) -> None:
    """Fails if the rule was changed after the measurement: measure again, or put it back."""
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["schema"] == SCHEMA
    assert set(record) == {"schema"} | {f.name for f in dataclasses.fields(Result)}
    result = read_result(path)
    claim = ledger.claims()[result.id]
    assert path.name == file_name(claim.id, result.scale)
    assert (result.scale == "gpu") == bool(result.provenance.machine["accelerator"])
    assert result.rule_sha256 == rule_sha256(claim), "the rule changed since"
    assert result.judgement == judge(claim, result.measurement, result.control, result.scale)
    assert (result.paper_value, result.unit) == (claim.paper_value, claim.unit)
    assert result.scale != "smoke"
    assert len(result.provenance.code_sha256) == 64


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_no_verdict_says_more_than_its_footing_carries(path: Path) -> None:
    """Written out against `claims.judgement`, so that a fault there is seen here."""
    result = read_result(path)
    claim, told = ledger.claims()[result.id], result.judgement
    words = {
        "as published": {"reproduced", "partly", "not reproduced"},
        "scaled": {"points the same way", "points the other way"},
        "stand-in": {"points the same way", "points the other way"},
    }
    assert told.footing == claim.footing[result.scale]
    assert told.verdict in words[told.footing] | {"undecided"}
    assert (told.verdict == "undecided") == bool(told.reason)
    if told.verdict == "undecided":
        return
    low, high = result.measurement.low, result.measurement.high
    assert told.control_outcome == "failed_as_it_should"
    if low is not None and high is not None:
        said = {claim.rule(low + (high - low) * share / 50) for share in range(51)}
        assert said == {claim.rule(result.measurement.value)}
    if claim.needs.train_error is not None:
        errors = train_errors(result.measurement)
        assert low is not None
        assert errors
        assert min(errors.values()) <= claim.needs.train_error


@pytest.mark.parametrize("claim", ledger.claims().values(), ids=lambda claim: claim.id)
def test_a_claim_of_an_accelerator_stands_in_on_a_processor(claim: Claim) -> None:
    about_gpu = re.search(r"\bon (a|an) (GPU|V100|Titan|TITAN|H100|accelerator)\b", claim.sentence)
    if claim.needs.device == "cuda" or about_gpu:
        assert {claim.footing.get(scale) for scale in ("cpu", "long")} <= {None, "stand-in"}


def test_ids_are_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    from fleetfoot.claims.fasternet import layers as fasternet_layers

    ledger.claims.cache_clear()
    twice = (*fasternet_layers.CLAIMS, fasternet_layers.CLAIMS[0])
    monkeypatch.setattr(fasternet_layers, "CLAIMS", twice)
    with pytest.raises(ValueError, match="two claims have the id fasternet/table1-cpu"):
        ledger.claims()
    monkeypatch.undo()
    ledger.claims.cache_clear()
    assert list(ledger.claims()) == sorted(ledger.claims())


def test_running_judges_claim_and_control_by_one_rule() -> None:
    result = ledger.run(claim_of(2.5, 1.0), Setting(scale="cpu"))
    told = result.judgement
    assert (told.verdict, told.control_outcome) == ("reproduced", "failed_as_it_should")
    assert ledger.run(claim_of(1.6, 1.6), Setting()).judgement.control_outcome == "passed"
    assert ledger.run(claim_of(1.0, 1.0), Setting()).judgement.verdict == "not reproduced"
    assert ledger.run(claim_of(2.5, 1.0), SMOKE).judgement.verdict == "undecided"


@pytest.mark.parametrize(
    ("changes", "setting", "error", "message"),
    [
        (
            {"footing": {"gpu": "scaled"}},
            Setting(),
            UsageError,
            "has no cpu scale, only smoke, gpu",
        ),
        ({"needs": Needs(data=("cifar10",))}, SMOKE, DataError, "give its folder with --data"),
        (
            {"needs": Needs(data=("nowhere",))},
            Setting(scale="smoke", data=Path(__file__).parent),
            DataError,
            "needs this data set",
        ),
        ({"needs": Needs(packages=("no_such",))}, SMOKE, MissingError, r"fleetfoot\[claims\]"),
        ({"needs": Needs(device="cuda")}, Setting(), MissingError, "--device cuda"),
        ({}, Setting(scale="cpu", device="cuda"), UsageError, "do not fit"),
        ({"footing": {"gpu": "scaled"}}, Setting(scale="gpu"), UsageError, "do not fit"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    changes: dict[str, Any], setting: Setting, error: type[FleetfootError], message: str
) -> None:
    with pytest.raises(error, match=message):
        ledger.run(claim_of(1, 1, **changes), setting)
    refused = ledger.attempt(claim_of(1, 1, **changes), setting)
    assert isinstance(refused, error)


def test_a_claim_that_breaks_is_one_line() -> None:
    def broken(_: Setting) -> Measurement:
        raise RuntimeError("no\nway")

    refused = ledger.attempt(claim_of(1, 1, measure=broken), SMOKE)
    assert isinstance(refused, FleetfootError)
    assert "family/what: unexpected RuntimeError: no way" in str(refused)


def test_an_accelerator_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "cuda_is_here", lambda: False)
    with pytest.raises(MissingError, match="no accelerator here"):
        ledger.check(claim_of(1, 1), Setting(scale="smoke", device="cuda"))


def test_smoke_runs_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "cuda_is_here", lambda: True)
    ledger.check(claim_of(1, 1), Setting(scale="smoke", device="cuda"))
    ledger.check(claim_of(1, 1, footing={"gpu": "scaled"}), Setting(scale="gpu", device="cuda"))


def test_a_control_that_breaks_leaves_the_measurement(tmp_path: Path) -> None:
    def broken(_: Setting) -> Measurement:
        raise RuntimeError("no\nway")

    result = ledger.run(
        dataclasses.replace(claim_of(2.5, 1.0), control=Control("breaks", broken)), Setting()
    )
    told = result.judgement
    assert (result.control, told.control_outcome, told.by_rule) == (None, "not_run", "reproduced")
    assert (told.verdict, told.reason) == ("undecided", "its control was not run")
    assert "no way" in (result.control_error or "")
    assert read_result(store(result, tmp_path)).control is None


def test_patterns() -> None:
    names = [claim.id for claim in ledger.matching(["fasternet/table1*"])]
    assert {"fasternet/table1-cpu", "fasternet/table1-gpu"} <= set(names)
    at_cpu = [claim.id for claim in ledger.matching(["fasternet/table1*"], scale="cpu")]
    assert "fasternet/table1-gpu" not in at_cpu
    named = ledger.matching(["fasternet/table1-gpu", "fasternet/table1-g*"], scale="gpu")
    assert next(claim.id for claim in named) == "fasternet/table1-gpu"
    with pytest.raises(UsageError, match="nearest: fasternet/table1-cpu"):
        ledger.matching(["fasternet/table-cpu"])
    with pytest.raises(UsageError, match=r"matches 'fasternet/table1-g\*' at the cpu scale"):
        ledger.matching(["fasternet/table1-g*"], scale="cpu")


@pytest.mark.slow
def test_measuring_from_a_source_tree_needs_torch_and_numpy_alone(tmp_path: Path) -> None:
    """What a bare accelerator machine has: neither screen nor settings nor engines."""
    program = """
import sys
for name in ("cyclopts", "rich", "pydantic", "onnx", "onnxruntime", "openvino", "timm", "PIL",
             "sklearn", "pyarrow", "torchvision", "psutil"):
    sys.modules[name] = None
from fleetfoot.claims.__main__ import main
words = ["--scale", "smoke", "--out", sys.argv[1]]
code = main(["run", "fasternet/table1-cpu", *words])
assert main(["run", "fasternet/nothing", *words]) == 2
assert main(["run", "fasternet/table1-gpu", *words]) == 2
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "fasternet/table1-cpu: undecided (the smoke scale does not decide it)" in done.stdout
    assert "no claim matches 'fasternet/nothing'" in done.stdout
    assert (tmp_path / "fasternet.table1-cpu.smoke.json").is_file()
