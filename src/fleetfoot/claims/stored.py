"""Stored results of claims: written as they come, read back, judged again where they are old.

Results that ship with the package lie in ``results/``; a user's own go to a folder of theirs and
take precedence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from fleetfoot.claims.claim import SCALES, Claim, Measurement, Scale
from fleetfoot.claims.judgement import Judgement, judge, rule_sha256
from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.results import to_json
from fleetfoot.measure.provenance import Provenance

T = TypeVar("T")

SCHEMA = "fleetfoot.claim/2"
SHIPPED = Path(__file__).parent / "results"
SCHEMA_BEFORE = "fleetfoot.claim/1"  # without footings
JUDGED_BEFORE = "judged before there were footings"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measurement of a claim with its control, as it is stored.

    Attributes:
        unit, paper_value: of the claim when it was measured.
        control: the control's measurement; None if it broke.
        control_error: why there is no control; None where there is one.
        judgement: what was said of it.
        rule_sha256: of the rule's source when the claim was measured or last judged.
        minutes: wall time of measurement and control.
        borrowed_minutes: that figures took which are used here and were measured for another claim,
            earlier in the same process.
        provenance: machine, versions, code.
    """

    id: str
    scale: Scale
    unit: str
    paper_value: float | None
    measurement: Measurement
    control: Measurement | None
    control_error: str | None
    judgement: Judgement
    rule_sha256: str
    minutes: float
    borrowed_minutes: float
    provenance: Provenance


# By id and scale.
Stored = Mapping[tuple[str, str], Result]


def file_name(identity: str, scale: Scale) -> str:
    """Return the name of a result's file.

    >>> file_name("fasternet/table1-cpu", "smoke")
    'fasternet.table1-cpu.smoke.json'
    """
    return f"{identity.replace('/', '.')}.{scale}.json"


def store(result: Result, folder: Path) -> Path:
    """Write a result into ``folder``, instead of an earlier one; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(result.id, result.scale)
    write_json(path, to_json(result, schema=SCHEMA))
    return path


def readable(folders: Iterable[Path]) -> tuple[Stored, tuple[str, ...]]:
    """Return stored results, of which later folders take precedence, and what could not be read."""
    found: dict[tuple[str, str], Result] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(p for scale in SCALES for p in folder.glob(f"*.{scale}.json")):
            try:
                result = read_result(path)
            except DataError as error:
                problems.append(f"{error}: measure it again, or delete the file")
            else:
                found[result.id, result.scale] = result
    return found, tuple(problems)


def stored(folders: Iterable[Path]) -> Stored:
    """Return `readable` results.

    Raises:
        DataError: a file is damaged or of another schema.
    """
    found, problems = readable(folders)
    if problems:
        raise DataError(problems[0])
    return found


def read_result(path: Path) -> Result:
    """Return the result in a file.

    Raises:
        DataError: it is damaged, or of another schema.
    """
    record = read_json(path, what="claim result")
    if record.get("schema") not in (SCHEMA, SCHEMA_BEFORE):
        raise DataError(f"{path}: is not a claim result ({SCHEMA})")
    try:
        if record["schema"] == SCHEMA_BEFORE:
            record = _of_before(record)
        parts = {
            "measurement": _part(Measurement, record["measurement"], "measurement"),
            "control": record["control"] and _part(Measurement, record["control"], "control"),
            "judgement": _part(Judgement, record["judgement"], "judgement"),
            "provenance": _part(Provenance, record["provenance"], "provenance"),
        }
        result = _part(Result, {**record, **parts}, "")
        for part in (result.measurement, result.control):
            if part is not None and part.value is None:  # pyright: ignore[reportUnnecessaryComparison]
                raise KeyError("a value that is a number")
    except KeyError as error:
        raise DataError(f"{path}: the claim result is damaged, it lacks {error.args[0]}") from None
    return result


def results_of(claim: Claim, found: Stored) -> list[Result]:
    """Return a claim's stored results, the most thorough first; smoke only if it is alone.

    Those of the format before are judged by today's rule and footing.
    """
    results = [found[claim.id, scale] for scale in reversed(SCALES) if (claim.id, scale) in found]
    results = [
        judged_again(claim, result) if result.judgement.reason == JUDGED_BEFORE else result
        for result in results
    ]
    return [result for result in results if result.scale != "smoke"] or results


def judged_again(claim: Claim, result: Result) -> Result:
    """Return a result with what today's rule and footing say of its stored values."""
    judgement = judge(claim, result.measurement, result.control, result.scale)
    return replace(result, judgement=judgement, rule_sha256=rule_sha256(claim))


def _part(kind: type[T], held: Any, name: str) -> T:
    """Return a record from its JSON object; KeyError names what it lacks."""
    if not isinstance(held, dict):
        raise KeyError(name)
    words: dict[str, Any] = {}
    for part in fields(kind):  # pyright: ignore[reportArgumentType]
        if part.name not in held:
            raise KeyError(f"{name}.{part.name}".strip("."))
        value = held[part.name]
        words[part.name] = tuple(value) if isinstance(value, list) else value
    return kind(**words)


def _of_before(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of the format before in today's, not judged yet."""
    judgement = {
        "verdict": "undecided",
        "reason": JUDGED_BEFORE,
        "footing": None,
        "by_rule": record["verdict"],
        "control_outcome": record["control_outcome"],
    }
    return {**record, "judgement": judgement, "rule_sha256": record["verdict_sha256"]}
