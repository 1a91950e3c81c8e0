"""`fleetfoot claims`: the ledger of the papers' claims; list it, measure, see both side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fleetfoot.claims.claim import DEVICES, SCALES, Claim, Setting, fitting_scale
from fleetfoot.claims.ledger import attempt, matching
from fleetfoot.claims.stored import SHIPPED, Result, readable, results_of, store
from fleetfoot.core.errors import DataError, FleetfootError, UsageError, require
from fleetfoot.core.files import check_folder
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.jobs.claims_record import ClaimRow, ClaimsRecord, measured_row

WORDS = ("list", "run", "table")
OWN = Path("results")


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
    found = matching(ids or ("*",))
    if word == "list":
        return ClaimsRecord(word=word, claims=tuple(ClaimRow(claim=c) for c in found))
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
