"""`fleetfoot claims`: the ledger of the papers' claims; list it, measure, see both side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fleetfoot.claims.claim import OWN, Claim, Setting, fitting_scale
from fleetfoot.claims.ledger import attempt, matching
from fleetfoot.claims.stored import SHIPPED, Result, readable, results_of, store
from fleetfoot.core.errors import DataError, FleetfootError, UsageError, require
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.core.out_folder import check_out
from fleetfoot.jobs.claims_record import ClaimRow, ClaimsRecord, measured_row
from fleetfoot.jobs.requests import ClaimsRequest
from fleetfoot.jobs.words import one_of


def claims(request: ClaimsRequest, *, listener: Listener = SILENT) -> ClaimsRecord:
    """List claims, measure them, or return the stored measurements beside the papers' figures.

    No ids are all claims, except for "run". "run" writes to ``out``, "table" prefers what is there;
    None is `OWN`, which need not be there.

    Raises:
        UsageError: unknown word or id, or nothing to run.
        DataError: ``out`` is no folder, or may not be written.
        MissingError: torch is not installed.
    """
    word, ids = request.word, request.ids
    one_of("claims", word, ("list", "run", "table"))
    require("torch", extra="train")
    own = request.out or OWN
    if word == "table" and request.out is not None and not own.is_dir():
        raise DataError(f"--out {own}: there is no such folder")
    if word == "run":
        check_out(own)
        if not ids:
            raise UsageError("claims run needs at least one claim: fleetfoot claims run ID...")
        scale = request.scale or fitting_scale(request.device)
        setting = Setting(scale=scale, data=request.data, device=request.device, listener=listener)
        return ClaimsRecord(word=word, claims=_run(ids, setting, own))
    found = matching(ids or ("*",))
    if word == "list":
        return ClaimsRecord(word=word, claims=tuple(ClaimRow(claim=c) for c in found))
    return _table(found, own)


def _run(ids: Sequence[str], setting: Setting, out: Path) -> tuple[ClaimRow, ...]:
    rows: list[ClaimRow] = []
    chosen = matching(ids, scale=setting.scale)
    out.mkdir(parents=True, exist_ok=True)  # now, not after minutes of measuring
    for number, claim in enumerate(chosen, 1):
        result = attempt(claim, setting)
        if isinstance(result, FleetfootError):
            rows.append(ClaimRow(claim=claim, error=str(result), exit_code=result.exit_code))
        else:
            rows.append(_stored(measured_row(claim, result), result, out))
        setting.listener.update(done=number, total=len(chosen))
    return tuple(rows)


def _stored(row: ClaimRow, result: Result, out: Path) -> ClaimRow:
    """Store a result and return its row; what cannot be stored is shown all the same."""
    try:
        store(result, out)
    except OSError as error:
        return replace(row, error=f"{out}: is not stored, {error}", exit_code=1)
    return row


def _table(found: Sequence[Claim], out: Path) -> ClaimsRecord:
    """Return a row per stored result of a claim; one without figures if there is none."""
    results, problems = readable((SHIPPED, out))
    rows: list[ClaimRow] = []
    for claim in found:
        measured = [measured_row(claim, result) for result in results_of(claim, results)]
        rows += measured or [ClaimRow(claim=claim)]
    return ClaimsRecord(word="table", claims=tuple(rows), problems=problems)
