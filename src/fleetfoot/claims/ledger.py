"""The ledger: every claim by id, measuring one, and the results that are kept.

A file in the folder of a paper that has a tuple ``CLAIMS`` adds its claims. Results that ship with
the package lie in ``results/``; a user's own go to a folder of theirs and take precedence.
"""

import fnmatch
import hashlib
import importlib
import inspect
import pkgutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import fleetfoot.claims
from fleetfoot.claims.claim import (
    SCALES,
    Claim,
    ControlOutcome,
    Measurement,
    Scale,
    Setting,
    Verdict,
    fitting_scale,
)
from fleetfoot.claims.shared import borrowed_minutes, watch
from fleetfoot.core.arguments import nearest
from fleetfoot.core.errors import (
    DataError,
    FleetfootError,
    MissingError,
    UsageError,
    explain,
    require,
)
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.results import to_json
from fleetfoot.measure.provenance import Provenance, provenance

SCHEMA = "fleetfoot.claim/1"
SHIPPED = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measurement of a claim with its control, as it is stored.

    Attributes:
        control: the control's measurement; None if it broke.
        control_outcome: whether the rule rejected it, as it must.
        control_error: why there is no control; None where there is one.
        verdict_sha256: of the rule's source when the claim was measured.
        minutes: wall time of measurement and control.
        borrowed_minutes: that figures took which are used here and were measured for another claim,
            earlier in the same process.
        provenance: machine, versions, code.
    """

    id: str
    paper: str
    scale: Scale
    unit: str
    paper_value: float | None
    verdict: Verdict
    measurement: Measurement
    control: Measurement | None
    control_outcome: ControlOutcome
    control_error: str | None
    verdict_sha256: str
    minutes: float
    borrowed_minutes: float
    provenance: Provenance


_KEYS = {
    "": tuple(part.name for part in fields(Result)),
    "measurement": tuple(part.name for part in fields(Measurement)),
    "control": tuple(part.name for part in fields(Measurement)),
    "provenance": tuple(part.name for part in fields(Provenance)),
}


@cache
def claims() -> dict[str, Claim]:
    """Return every claim by id, in order of id.

    Raises:
        ValueError: two claims have one id.
    """
    found: dict[str, Claim] = {}
    for claim in _claims_of_papers():
        if claim.id in found:
            raise ValueError(f"two claims have the id {claim.id}")
        found[claim.id] = claim
    return dict(sorted(found.items()))


def _claims_of_papers() -> Iterable[Claim]:
    """Yield the claims of every file in the folders of papers."""
    for paper in pkgutil.iter_modules(fleetfoot.claims.__path__, "fleetfoot.claims."):
        if paper.ispkg:
            folder = importlib.import_module(paper.name)
            for file in pkgutil.iter_modules(folder.__path__, f"{paper.name}."):
                yield from getattr(importlib.import_module(file.name), "CLAIMS", ())


def matching(patterns: Iterable[str], *, scale: Scale | None = None) -> tuple[Claim, ...]:
    """Return the claims whose id is named or matches a shell pattern, in order of id.

    Args:
        patterns: ids, or patterns such as ``fasternet/*``.
        scale: a pattern takes only the claims that have a form at this scale; None takes all.

    Raises:
        UsageError: a word that no claim answers to.
    """
    found: set[str] = set()
    for pattern in patterns:
        named = {name for name in claims() if fnmatch.fnmatchcase(name, pattern)}
        fitting = {name for name in named if scale in (None, *claims()[name].scales)}
        if not (pattern in named or fitting):
            raise UsageError(_no_match(pattern, scale if named else None))
        found |= fitting | named & {pattern}
    return tuple(claim for name, claim in claims().items() if name in found)


def _no_match(pattern: str, scale: Scale | None) -> str:
    every = "`fleetfoot claims list` has all"
    hint = nearest(pattern, claims(), otherwise=every, most=3, cutoff=0.6)
    at = f" at the {scale} scale" if scale else ""
    return f"no claim matches {pattern!r}{at}; {hint}"


def attempt(claim: Claim, setting: Setting) -> Result | FleetfootError:
    """Return `run`'s result, or what went wrong, so that others can still be measured."""
    try:
        return run(claim, setting)
    except FleetfootError as error:
        return error
    except Exception as error:  # the work of hours shall not fall with one claim
        return FleetfootError(f"{claim.id}: {explain(error)[0]}")


def run(claim: Claim, setting: Setting) -> Result:
    """Measure a claim and its control, and judge both.

    Raises:
        UsageError: the claim has no form at this scale, or the scale is of another device.
        DataError: it needs data that are not there.
        MissingError: it needs a package or device that is not there.
    """
    check(claim, setting)
    record = provenance(device=setting.device)
    watch()
    start = time.monotonic()
    setting.listener.stage(f"{claim.id}: measuring")
    measurement = claim.measure(setting)
    control, error = _control(claim, setting)
    return Result(
        id=claim.id,
        paper=claim.paper,
        scale=setting.scale,
        unit=claim.unit,
        paper_value=claim.paper_value,
        verdict=claim.judge(measurement.value, setting.scale),
        measurement=measurement,
        control=control,
        control_outcome="not_run" if control is None else claim.judge_control(control.value),
        control_error=error,
        verdict_sha256=rule_sha256(claim),
        minutes=(time.monotonic() - start) / 60,
        borrowed_minutes=borrowed_minutes(),
        provenance=record,
    )


def _control(claim: Claim, setting: Setting) -> tuple[Measurement | None, str | None]:
    """Return the control, or why there is none: what was measured before it is kept."""
    setting.listener.stage(f"{claim.id}: control ({claim.control_sentence})")
    try:
        return claim.control(setting), None
    except Exception as error:
        return None, explain(error)[0]


def check(claim: Claim, setting: Setting) -> None:
    """Refuse a claim that cannot be measured in this setting; see `run`."""
    if setting.scale not in claim.scales:
        raise UsageError(f"{claim.id} has no {setting.scale} scale, only {', '.join(claim.scales)}")
    if setting.scale not in ("smoke", fitting_scale(setting.device)):
        raise UsageError(
            f"--scale {setting.scale} --device {setting.device}: do not fit, the gpu scale is "
            "measured on cuda and the cpu scale on the cpu"
        )
    for name in claim.needs.data:
        if setting.data is None:
            raise DataError(f"{claim.id} needs the data set {name}: give its folder with --data")
        if not (setting.data / name).exists():
            raise DataError(f"{setting.data / name}: {claim.id} needs this data set, not found")
    for package in claim.needs.packages:
        require(package, extra="claims")
    if setting.device == "cuda" and not cuda_is_here():
        raise MissingError("--device cuda: there is no accelerator here that CUDA can use")
    if claim.needs.device == "cuda" and setting.device != "cuda":
        raise MissingError(f"{claim.id} is about an accelerator: run it with --device cuda on one")


def cuda_is_here() -> bool:
    """Return whether torch can use an accelerator."""
    import torch

    return torch.cuda.is_available()


def rule_sha256(claim: Claim) -> str:
    """Return a hash of everything that decides a verdict: rule, its figures, judged scales."""
    return hashlib.sha256(
        "\n".join((*_sources(claim.verdict), *claim.decides_at)).encode()
    ).hexdigest()


def _sources(rule: Callable[..., object]) -> Iterable[str]:
    """Yield the source of a rule, the values it closes over and the rules inside it."""
    yield inspect.getsource(rule)
    for name, value in inspect.getclosurevars(rule).nonlocals.items():
        if callable(value):
            yield from _sources(value)
        else:
            yield f"{name}={value!r}"


def file_name(identity: str, scale: Scale) -> str:
    """Return the name of a result's file.

    >>> file_name("fasternet/table1-cpu", "smoke")
    'fasternet.table1-cpu.smoke.json'
    """
    return f"{identity.replace('/', '.')}.{scale}.json"


def store(result: Result, folder: Path) -> Path:
    """Write a result into ``folder``, in the place of an earlier one; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(result.id, result.scale)
    write_json(path, to_json(result, schema=SCHEMA))
    return path


def stored(folders: Iterable[Path]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return stored results by (id, scale); later folders take precedence.

    Raises:
        DataError: a file is damaged or of another schema.
    """
    found, problems = readable(folders)
    if problems:
        raise DataError(problems[0])
    return found


def readable(
    folders: Iterable[Path],
) -> tuple[dict[tuple[str, str], dict[str, Any]], tuple[str, ...]]:
    """Return `stored`'s results, and what is wrong with each file that is left out."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(p for scale in SCALES for p in folder.glob(f"*.{scale}.json")):
            try:
                record = _read(path)
            except DataError as error:
                problems.append(f"{error}: measure it again, or delete the file")
            else:
                found[record["id"], record["scale"]] = record
    return found, tuple(problems)


def _read(path: Path) -> dict[str, Any]:
    record = read_json(path, what="claim result")
    if record.get("schema") != SCHEMA:
        raise DataError(f"{path}: is not a claim result ({SCHEMA})")
    lacking = [name for part, names in _KEYS.items() for name in _lacks(record, part, names)]
    if lacking:
        raise DataError(f"{path}: the claim result is damaged, it lacks {lacking[0]}")
    return record


def _lacks(record: Mapping[str, Any], part: str, names: Sequence[str]) -> Iterable[str]:
    """Yield the keys that are missing in a part of a result; a control may be absent whole."""
    held = record.get(part) if part else record
    if held is None and part == "control":
        return
    for name in names:
        if not isinstance(held, dict) or name not in held:
            yield f"{part}.{name}".strip(".")


def results_of(
    claim: Claim, found: Mapping[tuple[str, str], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return a claim's stored results, the most thorough first; smoke only if it is alone."""
    results = [found[claim.id, scale] for scale in reversed(SCALES) if (claim.id, scale) in found]
    return [result for result in results if result["scale"] != "smoke"] or results
