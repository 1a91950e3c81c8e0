"""`fleetfoot claims`: the ledger of the papers' claims; list it, measure, see both side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fleetfoot.claims.claim import DEVICES, SCALES, Claim, Scale, Setting, fitting_scale
from fleetfoot.core.errors import DataError, FleetfootError, UsageError, require
from fleetfoot.core.files import check_folder
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.core.results import to_json
from fleetfoot.jobs.screen import number, table

if TYPE_CHECKING:
    from fleetfoot.claims.ledger import Result

WORDS = ("list", "run", "table")
OWN = Path("results")
RULE_CHANGED = "its rule was changed after it was measured: run it again"
NOT_BY_THE_RULE = "the stored verdict is not what the rule says of the value: run it again"


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """A claim and, where there is one, its measurement; None is not measured, or unknown.

    Attributes:
        sentence: the claim in our words.
        protocol: how it is measured here.
        unit: of `paper_value`, `value` and `control_value`.
        paper_value: None where the paper gives no figure.
        scales: at which it can be run.
        verdict: by the rule that was fixed beforehand.
        low: lower end of the interval of `value`, where one was computed.
        high: its upper end.
        at_border: whether the interval contains a border of the rule, so that another measurement
            may get another verdict; None without an interval.
        control: what the control removes or breaks.
        control_value: what it measured; the rule must reject it.
        control_error: why it was not run.
        control_at_border: whether its interval contains a border of the rule; None without one.
        machine: accelerator if one was used, else the processor.
        commit: of the code that measured.
        dirty: whether the code differed from that commit.
        date: of the measurement, UTC.
        minutes: that measurement and control took.
        borrowed_minutes: that figures took which were measured for another claim just before.
        exit_code: of `error`; 0 without one.
    """

    id: str
    paper: str
    sentence: str
    protocol: str
    unit: str
    paper_value: float | None
    scales: tuple[Scale, ...]
    control: str
    verdict: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    at_border: bool | None = None
    scale: str | None = None
    control_value: float | None = None
    control_outcome: str | None = None
    control_error: str | None = None
    control_at_border: bool | None = None
    machine: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    date: str | None = None
    minutes: float | None = None
    borrowed_minutes: float | None = None
    error: str | None = None
    exit_code: int = 0


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


def claims(
    word: str,
    ids: Sequence[str] = (),
    *,
    scale: str | None = None,
    data: Path | str | None = None,
    device: str = "cpu",
    out: Path | str | None = None,
    listener: Listener | None = None,
) -> ClaimsRecord:
    """List claims, measure them, or return the stored measurements beside the papers' figures.

    Args:
        word: "list", "run" or "table".
        ids: ids or shell patterns; none is all, except for "run".
        scale: "smoke", "cpu" or "gpu", None for that of the device; a pattern takes the claims
            that have this scale.
        data: folder of data sets.
        device: "cpu" or "cuda".
        out: folder of the user's own results; "run" writes there, "table" prefers them; None is
            `OWN`, which need not be there.
        listener: hears what is being done.

    Raises:
        UsageError: unknown word, id, scale or device, or nothing to run.
        DataError: ``out`` is not a folder.
        MissingError: torch is not installed.
    """
    _one_of("claims", word, WORDS)
    require("torch", extra="train")
    own = OWN if out is None else Path(out)
    check_folder(own)
    if word == "table" and out is not None and not own.exists():
        raise DataError(f"--out {own}: there is no such folder")
    if word == "run":
        if not ids:
            raise UsageError("claims run needs at least one claim: fleetfoot claims run ID...")
        setting = _setting(scale, data, device, listener)
        return ClaimsRecord(word=word, claims=_run(ids, setting, own))
    from fleetfoot.claims.ledger import matching

    found = matching(ids or ("*",))
    if word == "list":
        return ClaimsRecord(word=word, claims=tuple(map(_row, found)))
    return _table(found, own)


def _one_of(word: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{word} {value}: is not one of {', '.join(allowed)}")


def _setting(
    scale: str | None, data: Path | str | None, device: str, listener: Listener | None
) -> Setting:
    _one_of("--device", device, DEVICES)
    scale = scale or fitting_scale(device)
    _one_of("--scale", scale, SCALES)
    return Setting(
        scale=scale,  # pyright: ignore[reportArgumentType]  checked above
        data=None if data is None else Path(data),
        device=device,
        listener=listener or Silent(),
    )


def _run(ids: Sequence[str], setting: Setting, out: Path) -> tuple[ClaimRow, ...]:
    from fleetfoot.claims.ledger import attempt, matching

    rows: list[ClaimRow] = []
    chosen = matching(ids, scale=setting.scale)
    out.mkdir(parents=True, exist_ok=True)  # now, not after minutes of measuring
    for done, claim in enumerate(chosen, 1):
        result = attempt(claim, setting)
        if isinstance(result, FleetfootError):
            rows.append(_row(claim, error=str(result), exit_code=result.exit_code))
        else:
            rows.append(_stored(_measured(claim, result), result, out))
        setting.listener.update(done=done, total=len(chosen))
    return tuple(rows)


def _stored(row: ClaimRow, result: "Result", out: Path) -> ClaimRow:
    """Store a result and return its row; what cannot be stored is shown all the same."""
    from fleetfoot.claims.ledger import store

    try:
        store(result, out)
    except OSError as error:
        return replace(row, error=f"{out}: is not stored, {error}", exit_code=1)
    return row


def _table(found: Sequence[Claim], out: Path) -> ClaimsRecord:
    """Return a row per stored result of a claim; one without figures if there is none."""
    from fleetfoot.claims.ledger import SHIPPED, readable, results_of

    results, problems = readable((SHIPPED, out))
    rows: list[ClaimRow] = []
    for claim in found:
        rows += [_measured(claim, result) for result in results_of(claim, results)] or [_row(claim)]
    return ClaimsRecord(word="table", claims=tuple(rows), problems=problems)


def _measured(claim: Claim, result: "Result | Mapping[str, Any]") -> ClaimRow:
    from fleetfoot.claims.ledger import rule_sha256

    record = to_json(result)
    measurement, provenance = record["measurement"], record["provenance"]
    interval, beside = (
        {name: None if part is None else part[name] for name in ("value", "low", "high")}
        for part in (measurement, record["control"])
    )
    error = None
    if record["verdict_sha256"] != rule_sha256(claim):
        error = RULE_CHANGED
    elif record["verdict"] != claim.judge(measurement["value"], record["scale"]):
        error = NOT_BY_THE_RULE
    return _row(
        claim,
        verdict=record["verdict"],
        **interval,
        at_border=claim.at_border(record["scale"], **interval),
        scale=record["scale"],
        control_value=beside["value"],
        control_outcome=record["control_outcome"],
        control_error=record["control_error"],
        control_at_border=claim.control_at_border(**beside),
        machine=provenance["machine"]["accelerator"] or provenance["machine"]["cpu"],
        commit=provenance["commit"],
        dirty=provenance["dirty"],
        date=provenance["date"],
        minutes=record["minutes"],
        borrowed_minutes=record["borrowed_minutes"],
        error=error,
    )


def _row(claim: Claim, **measured: Any) -> ClaimRow:
    return ClaimRow(
        id=claim.id,
        paper=claim.paper,
        sentence=claim.sentence,
        protocol=claim.protocol,
        unit=claim.unit,
        paper_value=claim.paper_value,
        scales=claim.scales,
        control=claim.control_sentence,
        **measured,
    )


def show(record: ClaimsRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    screen = _claims_list if record.word == "list" else _claims_table
    screen(record.claims, stream)


def _claims_list(claims: Sequence[ClaimRow], stream: TextIO) -> None:
    rows = [(c.id, " ".join(c.scales), c.paper, c.sentence) for c in claims]
    table(stream, ("claim", "scales", "paper", "sentence"), rows)


def _claims_table(claims: Sequence[ClaimRow], stream: TextIO) -> None:
    headings = (
        *("claim", "verdict", "paper", "here", "interval", "control", "outcome of control"),
        *("scale", "machine", "unit"),
    )
    rows = [
        (
            *(c.id, _verdict(c), number(c.paper_value), number(c.value), _ends(c)),
            *(number(c.control_value), _control(c), c.scale or "-", c.machine or "-", c.unit),
        )
        for c in claims
    ]
    table(stream, headings, rows, right=(2, 3, 5))
    if any(c.at_border or c.control_at_border for c in claims):
        stream.write("\n* the interval contains a border of the rule\n")


def _verdict(claim: ClaimRow) -> str:
    if claim.verdict is None and claim.error:  # told in full on stderr
        return "error"
    if claim.error:
        reason = "not stored" if claim.exit_code else claim.error.partition(":")[0]
        return f"{claim.verdict} ({reason})"
    return f"{claim.verdict or 'not measured'}{' *' if claim.at_border else ''}"


def _ends(claim: ClaimRow) -> str:
    return "-" if claim.low is None else f"{number(claim.low)} to {number(claim.high)}"


def _control(claim: ClaimRow) -> str:
    outcome = (claim.control_outcome or "-").replace("_", " ")
    if claim.control_error:
        return f"{outcome}: {claim.control_error}"
    return f"{outcome}{' *' if claim.control_at_border else ''}"
