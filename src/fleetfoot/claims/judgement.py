"""Judging a measurement: what the rule says of it, and what its footing lets the ledger say.

Only a claim measured as published can be *reproduced* or not. What is scaled or stands in says
that it points the same way, or the other. Nothing is decided by an interval that contains a border
of the rule, by a measurement whose control passed, by trainings without an interval, or by a
regulariser on a network that does not fit its training images.
"""

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from fleetfoot.claims.claim import Claim, Footing, Measurement, Scale
from fleetfoot.claims.rules import HELD, Verdict

Standing = Literal[
    "reproduced",
    "partly",
    "not reproduced",
    "points the same way",
    "points the other way",
    "undecided",
]
ControlOutcome = Literal["failed_as_it_should", "passed", "not_run"]

STANDINGS: tuple[Standing, ...] = get_args(Standing)
BORDER = "the interval contains a border of the rule"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the ledger says of a measurement.

    Attributes:
        verdict: one of `STANDINGS`.
        reason: why it is undecided; "" where it is decided.
        footing: of the claim at the scale that was measured; None at the smoke scale.
        by_rule: what the rule says of the value alone.
        control_outcome: whether the rule rejected the control, as it must.
    """

    verdict: Standing
    reason: str
    footing: Footing | None
    by_rule: Verdict
    control_outcome: ControlOutcome


def judge(
    claim: Claim, measurement: Measurement, control: Measurement | None, scale: Scale
) -> Judgement:
    """Return what may be said of a claim, its control and the scale being what they are."""
    by_rule = claim.rule(measurement.value)
    outcome = control_outcome(claim, control)
    footing = claim.footing.get(scale)
    reason = _why_undecided(claim, measurement, outcome, scale)
    return Judgement(
        verdict="undecided" if reason else _standing(by_rule, footing),
        reason=reason,
        footing=footing,
        by_rule=by_rule,
        control_outcome=outcome,
    )


def control_outcome(claim: Claim, control: Measurement | None) -> ControlOutcome:
    """Return whether the rule rejects the control's value, as it must at every scale."""
    if control is None:
        return "not_run"
    return "passed" if claim.rule(control.value) in HELD else "failed_as_it_should"


def control_in_doubt(claim: Claim, control: Measurement | None) -> bool:
    """Return whether a control's interval holds values of the other outcome, too."""
    return control is not None and _differs(lambda value: claim.rule(value) in HELD, control)


def train_errors(measurement: Measurement) -> dict[str, float]:
    """Return the percentage of training images that each way gets wrong, mean of its trainings.

    Empty where the rows do not say it; a way that does not say it is left out.
    """
    found: dict[str, list[float]] = {}
    for row in measurement.table:
        error = row.get("train_error_percent")
        if error is not None:
            found.setdefault(str(row.get("way", "")), []).append(float(error))
    return {way: math.fsum(errors) / len(errors) for way, errors in found.items()}


def rule_sha256(claim: Claim) -> str:
    """Return a hash of everything that decides a verdict: rule, its figures, judged scales."""
    return hashlib.sha256(
        "\n".join((*_sources(claim.rule), *claim.decides_at)).encode()
    ).hexdigest()


def _standing(by_rule: Verdict, footing: Footing | None) -> Standing:
    if footing == "as published":
        return by_rule
    return "points the same way" if by_rule in HELD else "points the other way"


def _why_undecided(
    claim: Claim, measurement: Measurement, outcome: ControlOutcome, scale: Scale
) -> str:
    if not claim.decides(scale):
        return f"the {scale} scale does not decide it"
    if outcome != "failed_as_it_should":
        return "its control passed" if outcome == "passed" else "its control was not run"
    if claim.needs.train_error is not None:
        reason = _why_trainings_say_nothing(claim.needs.train_error, measurement)
        if reason:
            return reason
    return BORDER if _differs(claim.rule, measurement) else ""


def _why_trainings_say_nothing(limit: float, measurement: Measurement) -> str:
    errors = train_errors(measurement)
    if not errors:
        return "it does not state its training error"
    if measurement.low is None:
        return "there is no interval: one training says nothing of the next"
    best = min(errors.values())
    if best > limit:
        return f"the network does not fit its training images: {best:.0f} % of them are wrong"
    return ""


def _differs(judge_value: Callable[[float], object], measurement: Measurement) -> bool:
    """Return whether a rule says another thing somewhere in the interval; False without one.

    It is asked all along the interval, whose ends may both lie outside a band.
    """
    low, high = measurement.low, measurement.high
    if low is None or high is None:
        return False
    here = judge_value(measurement.value)
    inside = (low + (high - low) * index / 100 for index in range(101))
    return any(judge_value(point) != here for point in inside)


def _sources(rule: Callable[..., object]) -> Iterable[str]:
    """Yield the source of a rule, the values it closes over and the rules inside it."""
    yield inspect.getsource(rule)
    for name, value in inspect.getclosurevars(rule).nonlocals.items():
        if callable(value):
            yield from _sources(value)
        else:
            yield f"{name}={value!r}"
