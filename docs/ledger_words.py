"""How the ledger's figures, rules, verdicts and machines are put into words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fleetfoot.claims.claim import SCALES, Claim, Verdict
from fleetfoot.claims.ledger import results_of

BORDER = "the interval contains a border of the rule"
OUTCOMES = {
    "failed_as_it_should": "failed as it should",
    "passed": "PASSED, though it must fail",
    "not_run": "not run",
}

Json = dict[str, Any]
Stored = Mapping[tuple[str, str], Json]


def standing(claims: Sequence[Claim], stored: Stored) -> str:
    """Return how many claims are measured, with which verdicts, and how many may fall otherwise."""
    found = [(claim, result) for claim in claims for result in results_of(claim, stored)]
    scales = [scale for scale in SCALES if any(r["scale"] == scale for _, r in found)]
    told = "; ".join(_verdicts([r for _, r in found if r["scale"] == scale]) for scale in scales)
    measured = len({claim.id for claim, _ in found})
    all_of_them = f"{len(claims)} claim{'' if len(claims) == 1 else 's'}"
    near = sum(at_border(claim, result) for claim, result in found)
    border = f" In {near} of these verdicts {BORDER}." if near else ""
    return f"{all_of_them}, {measured} of them measured{': ' if told else ''}{told}.{border}"


def _verdicts(results: Sequence[Json]) -> str:
    """Return how often each verdict was given at the scale of some results."""
    found = [result["verdict"] for result in results]
    counts = ", ".join(f"{found.count(v)} {v}" for v in get_args(Verdict) if v in found)
    return f"{counts}{at_scale(results[0])}"


def number(value: float | None) -> str:
    """Return a figure of a claim with three digits, a large one without decimals.

    >>> [number(v) for v in (7.10234, 0.8541, 1234.5, None)]
    ['7.1', '0.854', '1,234', 'none']
    """
    if value is None:
        return "none"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def rule_in_words(rule: str) -> str:
    """Return a rule of `fleetfoot.claims.claim` as a sentence.

    >>> rule_in_words("at_least(6.2, 3.6)")
    'reproduced at 6.2 or more, partly at 3.6 or more'
    """
    capped = re.fullmatch(r"capped\((.*)\)", rule)
    if capped:
        return f"partly at best, where else it would be: {rule_in_words(capped[1])}"
    found = re.fullmatch(r"(\w+)\(([\d.e+-]+), (?:reproduced=)?([\d.e+-]+)(.*)\)", rule)
    if found is None:
        return f"`{rule}`"
    kind, first, second = found[1], float(found[2]), float(found[3])
    if kind == "within":
        partly = float(found[4].partition("=")[2])
        return (
            f"reproduced within {100 * second:g} % of {number(first)}, partly within "
            f"{100 * partly:g} %"
        )
    word = {"at_least": "or more", "at_most": "or less"}.get(kind)
    if word is None:
        return f"`{rule}`"
    return f"reproduced at {number(first)} {word}, partly at {number(second)} {word}"


def interval(measurement: Json) -> str:
    """Return an interval in words, with what parts it from a verdict; "" without one."""
    if measurement["low"] is None or measurement["high"] is None:
        return ""
    return f"interval {number(measurement['low'])} to {number(measurement['high'])}; "


def emphasis(verdict: str) -> str:
    """Return a verdict, in bold where it is one."""
    return f"**{verdict}**" if verdict != "not at this scale" else verdict


def at_scale(result: Json) -> str:
    """Return the scale of a result, which goes without saying on the cpu."""
    return "" if result["scale"] == "cpu" else f" ({result['scale']})"


def at_border(claim: Claim, result: Json) -> bool:
    """Return whether the interval of a result contains a border of the claim's rule."""
    value, low, high = (result["measurement"][name] for name in ("value", "low", "high"))
    return bool(claim.at_border(result["scale"], value, low, high))


def border(claim: Claim, result: Json) -> str:
    """Return what to add to a verdict that may fall otherwise; "" if nothing."""
    return f"; {BORDER}" if at_border(claim, result) else ""


def control_in_words(claim: Claim, result: Json) -> str:
    """Return the control's figure and whether it failed, or why there is none."""
    control = result["control"]
    if control is None:
        return f"{OUTCOMES[result['control_outcome']]}: {result['control_error']}"
    return f"{number(control['value'])}, {outcome_of(claim, result)}"


def outcome_of(claim: Claim, result: Json) -> str:
    """Return whether a control failed, and what to add if it might as well not have."""
    value, low, high = (result["control"][name] for name in ("value", "low", "high"))
    doubt = f"; {BORDER}" if claim.control_at_border(value, low, high) else ""
    return f"{OUTCOMES[result['control_outcome']]}{doubt}"


def machine_of(result: Json) -> str:
    """Return one sentence on where, when and with what code a result was measured."""
    provenance = result["provenance"]
    machine, versions = provenance["machine"], provenance["versions"]
    load = provenance["load_1min"]
    loaded = "" if load is None else f", load {load:.1f} before it"
    commit = (provenance["commit"] or "")[:10] or "unknown"
    return (
        f"Measured {provenance['date'][:10]} at the {result['scale']} scale in "
        f"{_time(result)} on {device_of(machine)}{loaded}, Python {machine['python']}, torch "
        f"{versions.get('torch', 'unknown')}, commit {commit}"
        f"{' with changes' if provenance['dirty'] else ''}.\n"
    )


def _time(result: Json) -> str:
    own, borrowed = (_span(result[name]) for name in ("minutes", "borrowed_minutes"))
    if not result["borrowed_minutes"]:
        return own
    return f"{own}, with figures measured for another claim in {borrowed} just before,"


def _span(minutes: float) -> str:
    return f"{minutes:.1f} minutes" if minutes >= 1 else f"{60 * minutes:.0f} seconds"


def device_of(machine: Json) -> str:
    """Return the processor, or the accelerator with its driver."""
    if machine["accelerator"] is None:
        return f"{machine['cores']} cores ({machine['cpu']})"
    words = {"driver": machine.get("driver"), "CUDA": machine.get("cuda")}
    known = ", ".join(f"{word} {version}" for word, version in words.items() if version)
    return f"{machine['accelerator']}{f' ({known})' if known else ''}"
