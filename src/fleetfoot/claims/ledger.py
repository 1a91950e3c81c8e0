"""The ledger: every claim by id, and measuring one.

A file in the folder of a paper that has a tuple ``CLAIMS`` adds its claims.
"""

import fnmatch
import importlib
import math
import pkgutil
import time
from collections.abc import Iterable
from functools import cache

import fleetfoot.claims
from fleetfoot.claims.claim import Claim, Measurement, Scale, Setting
from fleetfoot.claims.judgement import judge, rule_sha256
from fleetfoot.claims.shared import borrowed_minutes, watch
from fleetfoot.claims.stored import Result
from fleetfoot.core.arguments import nearest
from fleetfoot.core.errors import (
    DataError,
    FleetfootError,
    MissingError,
    UsageError,
    explain,
    require,
)
from fleetfoot.measure.provenance import provenance


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
    if not math.isfinite(measurement.value):
        raise FleetfootError(f"{claim.id}: measured {measurement.value}, which is no number")
    control, error = _control(claim, setting)
    return Result(
        id=claim.id,
        scale=setting.scale,
        unit=claim.unit,
        paper_value=claim.paper_value,
        measurement=measurement,
        control=control,
        control_error=error,
        judgement=judge(claim, measurement, control, setting.scale),
        rule_sha256=rule_sha256(claim),
        minutes=(time.monotonic() - start) / 60,
        borrowed_minutes=borrowed_minutes(),
        provenance=record,
    )


def _control(claim: Claim, setting: Setting) -> tuple[Measurement | None, str | None]:
    """Return the control, or why there is none: what was measured before it is kept."""
    setting.listener.stage(f"{claim.id}: control ({claim.control.sentence})")
    try:
        return claim.control.measure(setting), None
    except Exception as error:
        return None, explain(error)[0]


def check(claim: Claim, setting: Setting) -> None:
    """Refuse a claim that cannot be measured in this setting; see `run`."""
    if setting.scale not in claim.scales:
        raise UsageError(f"{claim.id} has no {setting.scale} scale, only {', '.join(claim.scales)}")
    if setting.scale != "smoke" and (setting.scale == "gpu") != (setting.device == "cuda"):
        raise UsageError(
            f"--scale {setting.scale} --device {setting.device}: do not fit, the gpu scale is "
            "measured on cuda and the others on the cpu"
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
