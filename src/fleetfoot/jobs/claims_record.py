"""What `fleetfoot claims` answers: a row per claim and measurement, as JSON and on the screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from fleetfoot.claims.claim import Claim
from fleetfoot.claims.judgement import control_in_doubt, judge, rule_sha256, train_errors
from fleetfoot.claims.stored import Result
from fleetfoot.core.errors import DataError
from fleetfoot.core.results import to_json
from fleetfoot.jobs.screen import number, table

RULE_CHANGED = "its rule was changed after it was measured: run it again"
NOT_BY_THE_RULE = "the stored verdict is not what rule and footing say of the values: run it again"


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """A claim and, where there is one, its measurement.

    Attributes:
        claim: the sentence, how it is measured, and what would refute it.
        result: what was measured and said of it; None where nothing was.
        error: why it was not measured or stored, or what is wrong with the stored verdict.
        exit_code: of `error`; 0 where something was measured all the same.
    """

    claim: Claim
    result: Result | None = None
    error: str | None = None
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row with the names that `--json` prints; None is unknown, or not measured."""
        claim = self.claim
        return {
            "id": claim.id,
            "paper": claim.paper,
            "sentence": claim.sentence,
            "protocol": claim.whole_protocol,
            "unit": claim.unit,
            "paper_value": claim.paper_value,
            "scales": list(claim.scales),
            "control": claim.control.sentence,
            **(dict.fromkeys(MEASURED) if self.result is None else _measured(claim, self.result)),
            "error": self.error,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True, kw_only=True)
class ClaimsRecord:
    """The claims asked for, in order of id.

    Attributes:
        word: what was done with them.
        claims: a table has a row per scale at which a claim was measured.
        problems: what is wrong with stored results that had to be left out.
    """

    word: str
    claims: tuple[ClaimRow, ...]
    problems: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Why claims were not measured or stored, and the problems."""
        return (*(row.error or "" for row in self.claims if row.exit_code), *self.problems)

    @property
    def exit_code(self) -> int:
        """That of the first claim that failed, or of bad data if there are problems."""
        codes = (row.exit_code for row in self.claims if row.exit_code)
        return next(codes, DataError.exit_code if self.problems else 0)


# Keys of a row that a measurement gives.
MEASURED = (
    *("verdict", "reason", "footing", "value", "low", "high", "train_error_percent", "scale"),
    *("control_value", "control_outcome", "control_error", "control_in_doubt"),
    *("machine", "commit", "dirty", "date", "minutes", "borrowed_minutes"),
)


def _measured(claim: Claim, result: Result) -> dict[str, Any]:
    judgement, provenance = result.judgement, result.provenance
    values = (
        *(judgement.verdict, judgement.reason or None, judgement.footing),
        *(result.measurement.value, result.measurement.low, result.measurement.high),
        train_errors(result.measurement) or None,
        result.scale,
        None if result.control is None else result.control.value,
        *(judgement.control_outcome, result.control_error),
        control_in_doubt(claim, result.control),
        provenance.machine["accelerator"] or provenance.machine["cpu"],
        *(provenance.commit, provenance.dirty, provenance.date),
        *(result.minutes, result.borrowed_minutes),
    )
    return to_json(dict(zip(MEASURED, values, strict=True)))


def measured_row(claim: Claim, result: Result) -> ClaimRow:
    """Return the row of a result, with what is wrong with its verdict if something is."""
    error = None
    if result.rule_sha256 != rule_sha256(claim):
        error = RULE_CHANGED
    elif result.judgement != judge(claim, result.measurement, result.control, result.scale):
        error = NOT_BY_THE_RULE
    return ClaimRow(claim=claim, result=result, error=error)


def show(record: ClaimsRecord, stream: TextIO) -> None:
    """Write the list of claims, or paper and measurement side by side."""
    if record.word == "list":
        found = [row.claim for row in record.claims]
        rows = [(c.id, " ".join(c.scales), c.paper, c.sentence) for c in found]
        table(stream, ("claim", "scales", "paper", "sentence"), rows)
    else:
        _show_table(record.claims, stream)


def _show_table(rows: Sequence[ClaimRow], stream: TextIO) -> None:
    headings = (
        *("claim", "verdict", "footing", "paper", "here", "interval"),
        *("control", "outcome of control", "scale", "machine", "unit"),
    )
    lines = [
        (
            *(row["id"], _verdict(row), row["footing"] or "-", number(row["paper_value"])),
            *(number(row["value"]), _interval(row), number(row["control_value"]), _control(row)),
            *(row["scale"] or "-", row["machine"] or "-", row["unit"]),
        )
        for row in map(ClaimRow.as_json, rows)
    ]
    table(stream, headings, lines, right=(3, 4, 6))
    if any(row.result and control_in_doubt(row.claim, row.result.control) for row in rows):
        stream.write("\n* the control's interval holds the other outcome, too\n")


def _verdict(row: dict[str, Any]) -> str:
    if row["verdict"] is None:  # an error is told in full on stderr
        return "error" if row["error"] else "not measured"
    if row["error"]:
        reason = "not stored" if row["exit_code"] else row["error"].partition(":")[0]
        return f"{row['verdict']} ({reason})"
    return f"{row['verdict']}: {row['reason']}" if row["reason"] else row["verdict"]


def _interval(row: dict[str, Any]) -> str:
    return "-" if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"


def _control(row: dict[str, Any]) -> str:
    outcome = (row["control_outcome"] or "-").replace("_", " ")
    if row["control_error"]:
        return f"{outcome}: {row['control_error']}"
    return f"{outcome}{' *' if row['control_in_doubt'] else ''}"
