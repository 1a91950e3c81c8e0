"""What the ledger may say of a measurement, and why it says nothing."""

from typing import Any

import pytest

from fleetfoot.claims.claim import Measurement, Needs
from fleetfoot.claims.judgement import (
    BORDER,
    control_in_doubt,
    judge,
    rule_sha256,
    train_errors,
)
from fleetfoot.claims.rules import ANY_ERROR, FITS, about, at_least, at_most, within
from tests.claims.toy import claim_of

FAILS = Measurement(value=1.0)
TRAINED = ({"way": "without", "train_error_percent": 4.0},)


def trainings(value: float, *errors: float | None) -> Measurement:
    """Return a measurement of trainings with an interval that contains no border."""
    rows = tuple({"way": str(n), "train_error_percent": error} for n, error in enumerate(errors))
    return Measurement(value=value, low=value - 0.1, high=value + 0.1, table=rows)


@pytest.mark.parametrize(
    ("footing", "value", "verdict"),
    [
        ("as published", 2.5, "reproduced"),
        ("as published", 1.7, "partly"),
        ("as published", 1.0, "not reproduced"),
        ("scaled", 2.5, "points the same way"),
        ("scaled", 1.7, "points the same way"),
        ("stand-in", 2.5, "points the same way"),
        ("stand-in", 1.0, "points the other way"),
    ],
)
def test_the_footing_decides_what_may_be_said(footing: Any, value: float, verdict: str) -> None:
    claim = claim_of(0, 0, footing={"cpu": footing})
    told = judge(claim, Measurement(value=value), FAILS, "cpu")
    assert (told.verdict, told.reason, told.footing) == (verdict, "", footing)
    assert told.by_rule == claim.rule(value)


@pytest.mark.parametrize(
    ("measurement", "control", "changes", "reason"),
    [
        (Measurement(value=2.5), FAILS, {"decides_at": ("gpu",)}, "the cpu scale does not decide"),
        (Measurement(value=2.5), Measurement(value=1.5), {}, "its control passed"),
        (Measurement(value=2.5), None, {}, "its control was not run"),
        (Measurement(value=2.5, low=1.9, high=3.0), FAILS, {}, BORDER),
        (Measurement(value=1.2, low=1.0, high=1.5), FAILS, {}, BORDER),
        # both ends and the value lie outside the band that the interval spans
        (
            Measurement(value=14.0, low=5.0, high=15.0),
            FAILS,
            {"rule": within(10.0, reproduced=0.1, partly=0.2)},
            BORDER,
        ),
        (Measurement(value=2.5), FAILS, {"needs": Needs(train_error=ANY_ERROR)}, "does not state"),
        (
            Measurement(value=2.5, table=TRAINED),
            FAILS,
            {"needs": Needs(train_error=ANY_ERROR)},
            "no interval",
        ),
        (trainings(2.5, 58.0, 60.0), FAILS, {"needs": Needs(train_error=FITS)}, "58 % of them"),
    ],
)
def test_what_decides_nothing_says_why(
    measurement: Measurement, control: Measurement | None, changes: dict[str, Any], reason: str
) -> None:
    told = judge(claim_of(0, 0, **changes), measurement, control, "cpu")
    assert told.verdict == "undecided"
    assert reason in told.reason


def test_what_is_decided_beside_a_border() -> None:
    assert judge(claim_of(0, 0), Measurement(value=2.2, low=2.1, high=2.3), FAILS, "cpu").verdict
    fits = claim_of(0, 0, needs=Needs(train_error=FITS))
    assert judge(fits, trainings(2.5, 4.0, 60.0), FAILS, "cpu").verdict == "reproduced"
    trains = claim_of(0, 0, needs=Needs(train_error=ANY_ERROR))
    assert judge(trains, trainings(2.5, 58.0), FAILS, "cpu").verdict == "reproduced"


def test_scales() -> None:
    claim = claim_of(0, 0, footing={"cpu": "scaled", "long": "as published"}, decides_at=())
    assert claim.scales == ("smoke", "cpu", "long")
    found = {scale: judge(claim, Measurement(value=2.5), FAILS, scale) for scale in claim.scales}
    assert [told.verdict for told in found.values()] == ["undecided", "undecided", "reproduced"]
    assert found["smoke"].footing is None


def test_training_errors_are_means_of_ways() -> None:
    measured = Measurement(
        value=1.0,
        table=(
            {"way": "a", "train_error_percent": 1.0},
            {"way": "a", "train_error_percent": 2.0},
            {"way": "b", "train_error_percent": None},
            {"layer": 3},
        ),
    )
    assert train_errors(measured) == {"a": 1.5}


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((1.0, 0.5, 1.4), False),
        ((1.0, 0.5, 1.6), True),
        ((1.6, 1.2, 2.6), True),
        ((1.6, 1.6, 2.6), False),  # partly or wholly: it holds either way
        ((1.0, None, None), False),
    ],
)
def test_a_control_that_might_have_passed_is_told(
    figures: tuple[float, float | None, float | None], expected: bool
) -> None:
    value, low, high = figures
    control = Measurement(value=value, low=low, high=high)
    assert control_in_doubt(claim_of(2.5, 1.0), control) is expected
    assert control_in_doubt(claim_of(2.5, 1.0), None) is False


def test_the_hash_follows_everything_that_decides() -> None:
    base = rule_sha256(claim_of(2, 1))
    assert rule_sha256(claim_of(3, 0, sentence="Another.")) == base
    others = (
        {"rule": at_least(2.0, 1.4)},
        {"rule": at_most(2.0, 1.5)},
        {"rule": about(2.0, reproduced=0.1, partly=0.5)},
        {"rule": about(2.0, reproduced=0.1, partly=0.4)},
        {"decides_at": ("gpu",)},
    )
    hashes = {base, *(rule_sha256(claim_of(2, 1, **other)) for other in others)}
    assert len(hashes) == 1 + len(others)
