"""Comparisons: differences seed by seed, counted by hand; trainings are made up, or of digits."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.claims import comparison
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import (
    OTHER,
    Comparison,
    Effort,
    compared,
    macs_of,
    points,
    rows,
    share_of_fall,
    steps_to,
)
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.training import Outcome

SMOKE, LONG, GPU = (Setting(scale=scale) for scale in ("smoke", "long", "gpu"))
EFFORTS = {"cpu": Effort(seeds=3, epochs=2, size=8), "gpu": Effort(seeds=2, epochs=9, size=8)}


def of_error(error: float, *, epochs: tuple[float, ...] = (50.0, 20.0)) -> Outcome:
    none = torch.empty(0)
    return Outcome(error, epochs, (), 1.26, nn.Identity(), none, none)


def linear(*_: str) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))


def lines(**further: Any) -> Comparison:
    words: dict[str, Any] = {
        "network": linear,
        "recipe": lambda way, scale: plain_recipe(batch=50, lr=0.01),
        "efforts": EFFORTS,
    }
    return Comparison(**{**words, **further})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Mapping[str, Any]]]:
    """Seeds and words of trainings that are made up: their error is the seed."""
    found: list[tuple[int, Mapping[str, Any]]] = []

    def train_once(make_net: Any, setting: Setting, *, seed: int, **words: Any) -> Outcome:
        found.append((seed, words))
        return of_error(float(seed))

    monkeypatch.setattr(comparison, "train_once", train_once)
    return found


def test_the_difference_is_the_mean_of_pairs() -> None:
    found = compared(
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


def test_the_interval_is_that_of_student() -> None:
    old, new = (tuple(map(of_error, errors)) for errors in ((13, 14, 15), (10, 12, 14)))
    found = compared(old, new, names=("b", "a"))
    assert found.value == pytest.approx(2.0)  # of 3, 2 and 1
    assert found.low == pytest.approx(2.0 - 4.303 / 3**0.5, abs=1e-3)  # deviation 1, t of 2


def test_a_share_of_the_error() -> None:
    found = compared(
        [of_error(40.0)] * 3, [of_error(30.0)] * 3, names=("a", "b"), difference=share_of_fall
    )
    assert (found.value, found.low, found.high) == (25.0, 25.0, 25.0)
    assert len(found.table) == 6


def test_a_difference_needs_pairs() -> None:
    with pytest.raises(ValueError, match="longer"):
        compared([of_error(1.0)], [of_error(1.0), of_error(2.0)], names=("a", "b"))


def test_controls_get_other_seeds(asked: list[tuple[int, Mapping[str, Any]]]) -> None:
    found = lines().gain("a", "a", other_seeds=True)(GPU)
    assert [seed for seed, _ in asked] == [0, 1, OTHER, OTHER + 1]
    assert found.value == -OTHER
    assert [row["way"] for row in found.table] == ["a"] * 2 + ["a, other seeds"] * 2


def test_a_training_is_taken_once(asked: list[tuple[int, Mapping[str, Any]]]) -> None:
    ways = lines()
    first = ways.train("a", GPU, seed=0)
    assert ways.trainings("a", GPU)[0] is first
    assert ways.train("a", GPU, seed=0, lr=0.5, epochs=3) is not first
    assert lines().train("a", GPU, seed=0) is not first, "another comparison"
    recipes = [words["recipe"] for _, words in asked]
    assert [(recipe.optimizer.lr, recipe.epochs) for recipe in recipes] == [
        *[(0.01, 9)] * 2,
        (0.5, 3),
        (0.01, 9),
    ]


def test_a_way_is_trained_as_its_scale_says(asked: list[tuple[int, Mapping[str, Any]]]) -> None:
    step = object()
    ways = lines(data="mnist", pixels={"std": (1.0,)}, step=lambda way: step)
    ways.gain("a", "b")(Setting(scale="cpu"))
    assert len(asked) == 6
    words = asked[-1][1]
    pixels = words["preprocess"]
    assert (words["data"], pixels.channels, pixels.std, pixels.size) == ("mnist", 1, (1.0,), 8)
    assert (words["train_images"], words["step"]) == (None, step)


def test_the_long_scale_is_the_gpu_scale() -> None:
    assert lines().effort(LONG) == EFFORTS["gpu"]
    own = Effort(seeds=1, epochs=1, size=4)
    assert lines(efforts={**EFFORTS, "long": own}).effort(LONG) == own


def test_the_smoke_scale_is_the_cpu_scale_with_one_seed() -> None:
    assert lines().effort(SMOKE) == Effort(seeds=1, epochs=2, size=8)
    assert lines().effort(GPU).seeds == 2
    own = Effort(seeds=1, epochs=1, size=4)
    assert lines(efforts={**EFFORTS, "smoke": own}).effort(SMOKE) == own


def test_one_recipe_serves_all_ways_and_scales() -> None:
    recipe = plain_recipe(batch=7)
    assert lines(recipe=recipe).recipe_of("any", "gpu") is recipe
    assert (
        lines(recipe=lambda way, _: plain_recipe(batch=int(way))).recipe_of("9", "cpu").batch == 9
    )


def test_what_a_claim_needs_comes_from_its_comparison() -> None:
    needs = lines(data="mnist").needs(10.0)
    assert (needs.data, needs.train_error, needs.efforts) == (("mnist",), 10.0, EFFORTS)


def test_macs_are_counted_at_the_size_of_the_images() -> None:
    assert macs_of(nn.Conv2d(3, 2, 1), 5) == 3 * 2 * 25


def test_a_network_is_judged_as_its_training_was() -> None:
    pytest.importorskip("sklearn")
    ways = lines()
    (outcome,) = ways.trainings("linear", SMOKE)
    assert ways.error_of(outcome.net, "linear", SMOKE) == outcome.test_error
    assert len(outcome.train_errors) == 1  # the smoke scale's epoch
    assert macs_of(outcome.net, 8) == 1920


def test_rows_say_what_is_not_known() -> None:
    whole, broken = rows("a", [of_error(10.0), of_error(90.0, epochs=())], macs=7)
    assert (whole["train_error_percent"], whole["epochs"], whole["seconds"]) == (20.0, 2, 1.3)
    assert (broken["train_error_percent"], broken["epochs"]) == (None, 0)
    assert whole["macs"] == broken["macs"] == 7


def test_one_value_has_no_interval() -> None:
    assert points([1.5]).low is None


def test_steps_to_an_error() -> None:
    errors = [90.0, 60.0, 20.0, 30.0, 10.0]
    assert steps_to(25.0, errors, window=1) == 3
    assert steps_to(25.0, errors, window=2) == 4
    assert steps_to(5.0, errors, window=1) == math.inf
    assert steps_to(100.0, [], window=1) == math.inf
