"""From the words of `fit` and the data to one settled run: network, size, weights, recipe."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import Listener
from fleetfoot.data.samples import Data
from fleetfoot.jobs.runs import check_net
from fleetfoot.jobs.settings import apply_settings
from fleetfoot.nets.create import list_nets
from fleetfoot.nets.weights import pretrained
from fleetfoot.recipes.catalog import recipe_named
from fleetfoot.recipes.run import RunSpec
from fleetfoot.search.choose import (
    Choice,
    Situation,
    candidates_for,
    choose_within,
    default_choice,
    parse_budget,
)
from fleetfoot.search.measure_candidates import measure_candidates
from fleetfoot.train.recipe import Recipe

MAX_DROP = 0.01
SAMPLED_IMAGES = 64


def settle(
    words: Mapping[str, Any],
    data: Data,
    *,
    changes: Mapping[str, Any],
    device: str,
    listener: Listener,
) -> tuple[Choice, RunSpec]:
    """Return the choice with its reason, and everything a run needs to be decided.

    Args:
        words: words of `fit` that were given: net, budget, size, weights, recipe, epochs, ...
        data: the opened data set.
        changes: settings of the recipe by dotted name.
        device: "cpu" or "cuda".
        listener: hears how it gets on.

    Raises:
        UsageError: a word or value that does not exist.
        BudgetError: no candidate is within the budget.
    """
    _check(words)
    budget_ms = _budget(words)
    choice = _choice(words, data, budget_ms, listener)
    listener.message(f"network: {choice.net} at {choice.size} px ({choice.reason})")
    weights = words.get("weights", "auto")
    if weights == "auto" and not choice.pretrained:
        weights = "none"
    spec = RunSpec(
        data=words["data"],
        net=choice.net,
        size=choice.size,
        weights=weights,
        recipe=_recipe(words, choice, changes),
        device=device,
        threads=words.get("threads", 1),
        budget_ms=budget_ms,
        max_drop=words.get("max_drop", MAX_DROP),
    )
    return choice, spec


def median_pixels(data: Data) -> int:
    """Return the median short side of the training images, of a sample where they are many."""
    headers = [fact.header for fact in data.scan.facts.values()]
    if headers:
        return int(np.median([min(header.width, header.height) for header in headers]))
    places = np.linspace(0, len(data.train) - 1, min(len(data.train), SAMPLED_IMAGES)).astype(int)
    return int(np.median([min(data.train.read(place).shape[:2]) for place in places]))


def _choice(
    words: Mapping[str, Any], data: Data, budget_ms: float | None, listener: Listener
) -> Choice:
    net, size = words.get("net"), words.get("size")
    situation = Situation(pixels=median_pixels(data), images=len(data.train), weights=_ready(words))
    if budget_ms is None:
        return default_choice(situation, net=net, size=size)
    listener.stage(f"choosing: measuring candidates for a budget of {budget_ms:g} ms")
    started = time.perf_counter()
    measured = measure_candidates(
        candidates_for(situation, nets=None if net is None else [net], size=size),
        classes=len(data.classes),
        channels=3,
        threads=words.get("threads", 1),
        listener=listener,
    )
    seconds = time.perf_counter() - started
    return choose_within(measured, budget_ms=budget_ms, seconds=seconds)


def _ready(words: Mapping[str, Any]) -> frozenset[str]:
    """Return the networks that will start from trained weights."""
    weights = words.get("weights", "auto")
    if weights == "none":
        return frozenset()
    if weights != "auto":
        return frozenset({words["net"]})
    known = ((name, pretrained(name)) for name in list_nets())
    return frozenset(name for name, info in known if info is not None and info.path is not None)


def _recipe(words: Mapping[str, Any], choice: Choice, changes: Mapping[str, Any]) -> Recipe:
    recipe = recipe_named(words.get("recipe") or choice.recipe)
    recipe = apply_settings(recipe, changes)
    given = {name: words[name] for name in ("epochs", "minutes", "seed") if name in words}
    return recipe.with_changes(**given)


def _budget(words: Mapping[str, Any]) -> float | None:
    budget = words.get("budget") or words.get("budget_ms")
    return None if budget is None else parse_budget(budget)


def _check(words: Mapping[str, Any]) -> None:
    if words.get("net") is not None:
        check_net(words["net"])
    if words.get("recipe") is not None:
        recipe_named(words["recipe"])
    weights = words.get("weights", "auto")
    if weights not in ("auto", "none") and words.get("net") is None:
        raise UsageError(f"--weights {weights}: name the network they belong to with --net")
    for name, least in (("threads", 1), ("size", 8)):
        if words.get(name) is not None and words[name] < least:
            raise UsageError(f"--{name} {words[name]}: must be at least {least}")
    drop = words.get("max_drop", MAX_DROP)
    if not 0 <= drop < 1:
        raise UsageError(f"--max-drop {drop:g}: must be a share of the images, from 0 to below 1")
