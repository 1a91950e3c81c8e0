"""Differences seed by seed, counted by hand."""

import math

import pytest
import torch
from torch import nn

from fleetfoot.claims.training import Outcome
from fleetfoot.claims.training_gain import OTHER, gain, outcomes, points, rows, steps_to


def of_error(error: float, *, epochs: tuple[float, ...] = (50.0, 20.0)) -> Outcome:
    none = torch.empty(0)
    return Outcome(error, epochs, (), 1.26, nn.Identity(), none, none)


def test_gain_is_the_mean_fall_of_pairs() -> None:
    found = gain(
        [of_error(30.0), of_error(20.0)], [of_error(29.0), of_error(17.0)], names=("old", "new")
    )
    assert found.value == 2.0
    assert found.low == pytest.approx(2.0 - 12.706)  # half a distance of 1, one degree of freedom
    assert found.high == pytest.approx(2.0 + 12.706)
    assert [(row["way"], row["training"], row["test_error_percent"]) for row in found.table] == [
        ("old", 0, 30.0),
        ("old", 1, 20.0),
        ("new", 0, 29.0),
        ("new", 1, 17.0),
    ]


def test_gain_needs_pairs() -> None:
    with pytest.raises(ValueError, match="longer"):
        gain([of_error(1.0)], [of_error(1.0), of_error(2.0)], names=("a", "b"))


def test_controls_get_other_seeds() -> None:
    seeds: list[int] = []

    def way(seed: int) -> Outcome:
        seeds.append(seed)
        return of_error(float(seed))

    outcomes(way, 2)
    outcomes(way, 2, other=True)
    assert seeds == [0, 1, OTHER, OTHER + 1]


def test_rows_say_what_is_not_known() -> None:
    whole, broken = rows("a", [of_error(10.0), of_error(90.0, epochs=())])
    assert (whole["train_error_percent"], whole["epochs"], whole["seconds"]) == (20.0, 2, 1.3)
    assert (broken["train_error_percent"], broken["epochs"]) == (None, 0)


def test_one_value_has_no_interval() -> None:
    assert points([1.5]).low is None


def test_steps_to_an_error() -> None:
    errors = [90.0, 60.0, 20.0, 30.0, 10.0]
    assert steps_to(25.0, errors, window=1) == 3
    assert steps_to(25.0, errors, window=2) == 4
    assert steps_to(5.0, errors, window=1) == math.inf
    assert steps_to(100.0, [], window=1) == math.inf
