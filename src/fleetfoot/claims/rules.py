"""Rules: what a measured value says of a claim, fixed before anything is measured.

A result carries a hash of its rule's source, and a test fails if the two no longer agree
(`ledger.rule_sha256`). What the ledger may make of it depends on the claim's footing
(`claims.judgement`).
"""

from collections.abc import Callable
from typing import Literal

Verdict = Literal["reproduced", "partly", "not reproduced"]
Rule = Callable[[float], Verdict]

HELD: tuple[Verdict, ...] = ("reproduced", "partly")
ANY_ERROR = 100.0  # for `claim.Needs.train_error`: trainings need not fit their images
FITS = 10.0  # for `claim.Needs.train_error` of regularisers, which act on what over-fits


def at_least(reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced from one value upwards, partly from a smaller one.

    >>> at_least(2.0, 1.0)(1.5)
    'partly'
    """

    def rule(value: float) -> Verdict:
        if value >= reproduced:
            return "reproduced"
        return "partly" if value >= partly else "not reproduced"

    rule.__qualname__ = f"at_least({reproduced}, {partly})"
    return rule


def at_least_ratio(paper: float) -> Callable[[float], Verdict]:
    """Return the rule for a ratio above 1: reproduced from the paper's, partly from half its gain.

    >>> at_least_ratio(2.0)(1.5)
    'partly'
    """
    return at_least(paper, (1 + paper) / 2)


def at_most(reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced up to one value, partly up to a larger one.

    >>> at_most(1.0, 2.0)(3.0)
    'not reproduced'
    """

    def rule(value: float) -> Verdict:
        if value <= reproduced:
            return "reproduced"
        return "partly" if value <= partly else "not reproduced"

    rule.__qualname__ = f"at_most({reproduced}, {partly})"
    return rule


def within(target: float, *, reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced within a share of the target, partly within a larger share.

    >>> within(10.0, reproduced=0.1, partly=0.3)(12.0)
    'partly'
    """

    def rule(value: float) -> Verdict:
        distance = abs(value - target) / abs(target)
        if distance <= reproduced:
            return "reproduced"
        return "partly" if distance <= partly else "not reproduced"

    rule.__qualname__ = f"within({target}, reproduced={reproduced}, partly={partly})"
    return rule


def about(target: float, *, reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced at most so far from the target, partly a little further.

    >>> about(0.0, reproduced=0.5, partly=1.0)(-0.7)
    'partly'
    """

    def rule(value: float) -> Verdict:
        distance = abs(value - target)
        if distance <= reproduced:
            return "reproduced"
        return "partly" if distance <= partly else "not reproduced"

    rule.__qualname__ = f"about({target}, reproduced={reproduced}, partly={partly})"
    return rule


def above(border: float) -> Callable[[float], Verdict]:
    """Return the rule of a claim that gives a direction and no figure: reproduced above a value.

    >>> above(0.0)(0.1)
    'reproduced'
    """

    def rule(value: float) -> Verdict:
        return "reproduced" if value > border else "not reproduced"

    rule.__qualname__ = f"above({border})"
    return rule
