"""How the ledger's figures, rules, verdicts and machines are put into words."""

import re
from collections.abc import Sequence
from typing import Any

from fleetfoot.claims.claim import Claim, Measurement
from fleetfoot.claims.judgement import STANDINGS, control_in_doubt, train_errors
from fleetfoot.claims.stored import Result, Stored, results_of

OUTCOMES = {
    "failed_as_it_should": "failed as it should",
    "passed": "PASSED, though it must fail",
    "not_run": "not run",
}

Json = dict[str, Any]


def standing(claims: Sequence[Claim], stored: Stored) -> str:
    """Return in a sentence how many claims are measured, and how many of them are decided."""
    found = [result for claim in claims for result in results_of(claim, stored)]
    measured = len({result.id for result in found})
    decided = sum(result.judgement.verdict != "undecided" for result in found)
    counted = f"{len(claims)} claim{'' if len(claims) == 1 else 's'}, {measured} of them measured"
    return f"{counted}{f', {decided} results decided' if found else ''}."


def footing_table(claims: Sequence[Claim], stored: Stored) -> str:
    """Return how often each verdict was given on each footing; "" if nothing was measured."""
    found = [r.judgement for claim in claims for r in results_of(claim, stored)]
    words = [word for word in STANDINGS if any(told.verdict == word for told in found)]
    lines = [f"| footing | {' | '.join(words)} |\n", f"|---|{'--:|' * len(words)}\n"]
    for footing in ("as published", "scaled", "stand-in", None):
        of = [told.verdict for told in found if told.footing == footing]
        cells = (str(of.count(word) or "") for word in words)
        lines += [f"| {footing or 'none (smoke)'} | {' | '.join(cells)} |\n"] if of else []
    return "".join(lines) if found else ""


def tally(claims: Sequence[Claim], stored: Stored) -> str:
    """Return in two sentences what was found as published, and what only points somewhere."""
    found = [r.judgement for claim in claims for r in results_of(claim, stored)]
    published = [told.verdict for told in found if told.footing == "as published"]
    others = [told.verdict for told in found if told.footing != "as published"]
    return (
        f"As published (the paper's network, data and size): {_counted(published)}.\n"
        f"Scaled down, or with a stand-in for network, data or device: {_counted(others)}.\n"
    )


def _counted(verdicts: Sequence[str]) -> str:
    """Return how often each verdict was given, as a list in words.

    >>> _counted(["points the same way", "undecided", "points the same way"])
    '2 point the same way, 1 undecided'
    """
    words = [word for word in STANDINGS if word in verdicts]
    told = ", ".join(f"{verdicts.count(word)} {word}" for word in words)
    return re.sub(r"(?<!\b1 )\bpoints\b", "point", told) or "none"


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
    direction = re.fullmatch(r"above\(([\d.e+-]+)\)", rule)
    if direction:
        return f"reproduced above {number(float(direction[1]))}; the paper gives no figure"
    found = re.fullmatch(r"(\w+)\(([\d.e+-]+), (?:reproduced=)?([\d.e+-]+)(.*)\)", rule)
    if found is None:
        return f"`{rule}`"
    kind, first, second = found[1], float(found[2]), float(found[3])
    if kind == "about":
        partly = float(found[4].partition("=")[2])
        return (
            f"reproduced at most {number(second)} from {number(first)}, partly at most "
            f"{number(partly)}"
        )
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


def interval(measurement: Measurement) -> str:
    """Return an interval in words, with what parts it from a verdict; "" without one."""
    if measurement.low is None or measurement.high is None:
        return ""
    return f"interval {number(measurement.low)} to {number(measurement.high)}; "


def verdict_in_words(result: Result) -> str:
    """Return a verdict with its footing and scale, in bold where it is decided."""
    told = result.judgement
    footing = f" ({told.footing})" if told.footing else ""
    if told.verdict == "undecided":
        return f"undecided: {told.reason}{footing}{at_scale(result)}"
    return f"**{told.verdict}**{footing}{at_scale(result)}"


def at_scale(result: Result) -> str:
    """Return the scale of a result, which goes without saying on the cpu."""
    return "" if result.scale == "cpu" else f" ({result.scale})"


def training_in_words(result: Result) -> str:
    """Return the training error of each way, which says what a comparison is worth; "" if none."""
    errors = train_errors(result.measurement)
    told = ", ".join(f"{error:.1f} % ({way or 'all'})" for way, error in errors.items())
    return f"Training images wrong at the end: {told}.\n" if told else ""


def control_in_words(claim: Claim, result: Result) -> str:
    """Return the control's figure and whether it failed, or why there is none."""
    if result.control is None:
        return f"{OUTCOMES[result.judgement.control_outcome]}: {result.control_error}"
    return f"{number(result.control.value)}, {outcome_of(claim, result)}"


def outcome_of(claim: Claim, result: Result) -> str:
    """Return whether a control failed, and what to add if it might as well not have."""
    doubt = "; its interval holds the other outcome, too"
    return (
        f"{OUTCOMES[result.judgement.control_outcome]}"
        f"{doubt if control_in_doubt(claim, result.control) else ''}"
    )


def machine_of(result: Result) -> str:
    """Return one sentence on where, when and with what code a result was measured."""
    provenance = result.provenance
    load = provenance.load_1min
    loaded = "" if load is None else f", load {load:.1f} before it"
    commit = (provenance.commit or "")[:10] or "unknown"
    return (
        f"Measured {provenance.date[:10]} at the {result.scale} scale in "
        f"{_time(result)} on {device_of(provenance.machine)}{loaded}, Python "
        f"{provenance.machine['python']}, torch {provenance.versions.get('torch', 'unknown')}, "
        f"commit {commit}{' with changes' if provenance.dirty else ''}.\n"
    )


def _time(result: Result) -> str:
    own, borrowed = _span(result.minutes), _span(result.borrowed_minutes)
    if not result.borrowed_minutes:
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
