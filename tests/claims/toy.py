"""A claim that measures at once what it is told to."""

from typing import Any

from fleetfoot.claims.claim import Claim, Control, Measurement
from fleetfoot.claims.rules import at_least


def claim_of(value: float, of_control: float, **changes: Any) -> Claim:
    """Return a claim whose measurement and control have these values."""
    words: dict[str, Any] = {
        "id": "family/what",
        "paper": "a paper",
        "sentence": "Two is more than one.",
        "protocol": "none",
        "unit": "times",
        "paper_value": 2.0,
        "measure": lambda _: Measurement(value=value),
        "rule": at_least(2.0, 1.5),
        "control": Control("nothing is measured", lambda _: Measurement(value=of_control)),
        "footing": {"cpu": "as published"},
    }
    return Claim(**{**words, **changes})
