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
from fleetfoot.claims.claim import (
    HELD,
    SCALES,
    Claim,
    Measurement,
    Needs,
    Setting,
    at_least,
    at_most,
    capped,
    within,
)
from fleetfoot.core.errors import DataError, FleetfootError, MissingError, UsageError

SMOKE = Setting(scale="smoke")
RESULTS = sorted(ledger.SHIPPED.glob("*.json"))


def claim_of(value: float, control: float, **changes: Any) -> Claim:
    """A claim that measures at once what it is told to."""
    words: dict[str, Any] = {
        "id": "family/what",
        "paper": "a paper",
        "sentence": "Two is more than one.",
        "protocol": "none",
        "unit": "times",
        "paper_value": 2.0,
        "measure": lambda _: Measurement(value=value),
        "verdict": at_least(2.0, 1.5),
        "control": lambda _: Measurement(value=control),
        "control_sentence": "nothing is measured",
    }
    return Claim(**{**words, **changes})


@pytest.mark.parametrize("claim", ledger.claims().values(), ids=lambda claim: claim.id)
def test_a_claim_is_complete(claim: Claim) -> None:
    assert re.fullmatch(r"[a-z0-9]+/[a-z0-9]+(-[a-z0-9]+)*", claim.id)
    texts = (claim.paper, claim.sentence, claim.protocol, claim.unit, claim.control_sentence)
    assert all(text and text == " ".join(text.split()) for text in texts)
    assert claim.sentence.endswith(".")
    assert set(claim.decides_at) & set(claim.scales), "at no scale of its own is it judged"
    assert set(claim.scales) <= set(SCALES)
    assert ("gpu" in claim.scales) or claim.needs.device == "cpu"
    if claim.paper_value is not None:
        assert claim.verdict(claim.paper_value) in ("reproduced", "partly"), (
            "the paper's own figure"
        )


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_a_stored_result_still_stands(path: Path) -> None:
    """Fails if the rule was changed after the measurement: measure again, or put it back."""
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["schema"] == ledger.SCHEMA
    assert set(record) == {"schema"} | {f.name for f in dataclasses.fields(ledger.Result)}
    claim = ledger.claims()[record["id"]]
    assert path.name == ledger.file_name(claim.id, record["scale"])
    assert (record["scale"] == "gpu") == bool(record["provenance"]["machine"]["accelerator"])
    assert record["verdict_sha256"] == ledger.rule_sha256(claim), "the rule changed since"
    assert record["verdict"] == claim.judge(record["measurement"]["value"], record["scale"])
    assert record["control_outcome"] == claim.judge_control(record["control"]["value"])
    if record["verdict"] in HELD:  # nothing holds that would hold without the idea
        assert record["control_outcome"] == "failed_as_it_should"
    assert (record["paper_value"], record["unit"]) == (claim.paper_value, claim.unit)
    assert record["scale"] != "smoke"
    assert len(record["provenance"]["code_sha256"]) == 64


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


@pytest.mark.parametrize(
    ("rule", "values", "verdicts"),
    [
        (at_least(2.0, 1.0), (2.0, 1.99, 0.99), ("reproduced", "partly", "not reproduced")),
        (at_most(1.0, 2.0), (1.0, 2.0, 2.01), ("reproduced", "partly", "not reproduced")),
        (
            within(10.0, reproduced=0.1, partly=0.3),
            (9.0, 12.9, 13.1),
            ("reproduced", "partly", "not reproduced"),
        ),
        (capped(at_least(2.0, 1.0)), (3.0, 1.0, 0.5), ("partly", "partly", "not reproduced")),
    ],
)
def test_rules(rule: Any, values: tuple[float, ...], verdicts: tuple[str, ...]) -> None:
    assert tuple(map(rule, values)) == verdicts
    assert rule(float("nan")) == "not reproduced"


def test_the_hash_follows_everything_that_decides() -> None:
    base = ledger.rule_sha256(claim_of(2, 1))
    assert ledger.rule_sha256(claim_of(3, 0, sentence="Another.")) == base
    others = (
        {"verdict": at_least(2.0, 1.4)},
        {"verdict": at_most(2.0, 1.5)},
        {"verdict": capped(at_least(2.0, 1.5))},
        {"verdict": capped(at_least(2.0, 1.4))},
        {"decides_at": ("gpu",)},
    )
    hashes = {base, *(ledger.rule_sha256(claim_of(2, 1, **other)) for other in others)}
    assert len(hashes) == 1 + len(others)


def test_running_judges_claim_and_control_by_one_rule() -> None:
    result = ledger.run(claim_of(2.5, 1.0), Setting(scale="cpu"))
    assert (result.verdict, result.control_outcome) == ("reproduced", "failed_as_it_should")
    assert ledger.run(claim_of(1.6, 1.6), Setting()).control_outcome == "passed"
    assert ledger.run(claim_of(1.0, 1.0), Setting()).verdict == "not reproduced"
    assert ledger.run(claim_of(2.5, 1.0), SMOKE).verdict == "not at this scale"


@pytest.mark.parametrize(
    ("changes", "setting", "error", "message"),
    [
        ({"scales": ("gpu",)}, SMOKE, UsageError, "has no smoke scale, only gpu"),
        ({"needs": Needs(data=("cifar10",))}, SMOKE, DataError, "give its folder with --data"),
        (
            {"needs": Needs(data=("nowhere",))},
            Setting(scale="smoke", data=Path(__file__).parent),
            DataError,
            "needs this data set",
        ),
        ({"needs": Needs(packages=("no_such",))}, SMOKE, MissingError, r"fleetfoot\[claims\]"),
        ({"needs": Needs(device="cuda")}, SMOKE, MissingError, "--device cuda"),
        ({}, Setting(scale="cpu", device="cuda"), UsageError, "do not fit"),
        ({"scales": ("cpu", "gpu")}, Setting(scale="gpu"), UsageError, "do not fit"),
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
    ledger.check(claim_of(1, 1, scales=("gpu",)), Setting(scale="gpu", device="cuda"))


def test_a_control_that_breaks_leaves_the_measurement(tmp_path: Path) -> None:
    def broken(_: Setting) -> Measurement:
        raise RuntimeError("no\nway")

    result = ledger.run(dataclasses.replace(claim_of(2.5, 1.0), control=broken), Setting())
    assert (result.verdict, result.control, result.control_outcome) == (
        "reproduced",
        None,
        "not_run",
    )
    assert "no way" in (result.control_error or "")
    ledger.store(result, tmp_path)
    assert ledger.stored([tmp_path])["family/what", "cpu"]["control"] is None


@pytest.mark.parametrize(
    ("verdict", "figures", "expected"),
    [
        (at_least(2.0, 1.5), (2.2, 2.1, 2.3), False),
        (at_least(2.0, 1.5), (2.2, 1.9, 2.5), True),
        (at_least(2.0, 1.5), (1.4, 1.3, 1.5), True),
        (at_least(2.0, 1.5), (2.2, None, None), None),
        (at_least(2.0, 1.5), (None, 1.0, 3.0), None),
        # both ends and the value lie outside the band that the interval spans
        (within(10.0, reproduced=0.1, partly=0.2), (14.0, 5.0, 15.0), True),
    ],
)
def test_an_interval_that_contains_a_border_is_told(
    verdict: Any, figures: tuple[float | None, ...], expected: bool | None
) -> None:
    claim = claim_of(1, 1, verdict=verdict)
    assert claim.at_border("cpu", *figures) is expected
    assert not claim.at_border("smoke", *figures)  # nothing is judged there


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((1.0, 0.5, 1.4), False),
        ((1.0, 0.5, 1.6), True),
        ((1.6, 1.2, 2.6), True),
        ((1.0, None, None), None),
    ],
)
def test_a_control_that_might_have_passed_is_told(
    figures: tuple[float | None, ...], expected: bool | None
) -> None:
    assert claim_of(2.5, 1.0).control_at_border(*figures) is expected


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


def test_results_are_kept_by_id_and_scale(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    ledger.store(ledger.run(claim_of(2.5, 1.0), Setting()), shipped)
    ledger.store(ledger.run(claim_of(2.5, 1.0), SMOKE), shipped)
    path = ledger.store(ledger.run(claim_of(1.7, 1.0), Setting()), own)
    (own / "unrelated.json").write_text("[]")
    found = ledger.stored((shipped, own, tmp_path / "nowhere"))
    assert set(found) == {("family/what", "cpu"), ("family/what", "smoke")}
    assert found["family/what", "cpu"]["verdict"] == "partly"
    path.write_text('{"schema": "another/1"}')
    with pytest.raises(DataError, match="is not a claim result"):
        ledger.stored((own,))


@pytest.mark.parametrize(
    ("part", "key"),
    [("", "verdict"), ("", "control"), ("measurement", "low"), ("provenance", "commit")],
)
def test_a_result_without_a_key_is_refused(tmp_path: Path, part: str, key: str) -> None:
    path = ledger.store(ledger.run(claim_of(2.5, 1.0), Setting()), tmp_path)
    record = json.loads(path.read_text())
    del (record[part] if part else record)[key]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=rf"what\.cpu\.json: .* lacks .*{key}"):
        ledger.stored((tmp_path,))
    path.write_text(json.dumps({**record, "measurement": 3, "provenance": None}))
    with pytest.raises(DataError, match="lacks"):
        ledger.stored((tmp_path,))


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
    assert "fasternet/table1-cpu: not at this scale" in done.stdout
    assert "no claim matches 'fasternet/nothing'" in done.stdout
    assert (tmp_path / "fasternet.table1-cpu.smoke.json").is_file()
