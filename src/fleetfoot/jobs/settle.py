"""From the words of `fit` and the data to one settled run: network, size, weights, recipe."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import Listener
from fleetfoot.data.samples import Data
from fleetfoot.deploy.gate import MAX_DROP
from fleetfoot.jobs.runs import check_net
from fleetfoot.jobs.settings import apply_settings
from fleetfoot.nets.catalog import entry, option_names
from fleetfoot.nets.create import list_nets, skeleton
from fleetfoot.nets.weights import pretrained
from fleetfoot.recipes.catalog import SUBJECTS, recipe_named
from fleetfoot.recipes.method import methods_of
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.recipes.small import scaled
from fleetfoot.recipes.small_images import MIRRORED
from fleetfoot.search.choose import (
    SMALL_NETS,
    Candidate,
    Choice,
    Situation,
    candidates_for,
    choose_within,
    default_choice,
    faster_of,
    parse_budget,
    worth_a_second_look,
)
from fleetfoot.search.measure_candidates import measure_candidates
from fleetfoot.train.recipe import Recipe

SAMPLED_IMAGES = 64
LEAST_STEPS, SMALLEST_BATCH = 8, 8
SECOND_LOOK_SECONDS = 10.0


def check(words: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Refuse wrong words before the data are opened, which may take a while.

    Raises:
        UsageError: a network, recipe, method, budget, setting or number that does not exist or fit.
    """
    if words.get("net") is not None:
        check_net(words["net"])
    weights = words.get("weights", "auto")
    if weights not in ("auto", "none") and words.get("net") is None:
        raise UsageError(f"--weights {weights}: name the network they belong to with --net")
    for name, least in (("threads", 1), ("size", 8)):
        if words.get(name) is not None and words[name] < least:
            raise UsageError(f"--{name} {words[name]}: must be at least {least}")
    drop = words.get("max_drop", MAX_DROP)
    if not 0 <= drop < 1:
        raise UsageError(f"--max-drop {drop:g}: must be a share of the images, from 0 to below 1")
    _budget(words)
    _changed(recipe_named(words.get("recipe") or "scratch"), words, changes)


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
        BudgetError: no candidate is within the budget.
    """
    budget_ms = _budget(words)
    choice = _choice(words, data, budget_ms, changes=changes, listener=listener)
    listener.message(f"network: {choice.net} at {choice.size} px ({choice.reason})")
    weights = words.get("weights", "auto")
    if weights == "auto" and not choice.pretrained:
        weights = "none"
    spec = RunSpec(
        data=words["data"],
        net=choice.net,
        size=choice.size,
        weights=weights,
        recipe=_recipe(words, choice, changes, images=len(data.train)),
        device=device,
        threads=words.get("threads", 1),
        budget_ms=budget_ms,
        max_drop=words.get("max_drop", MAX_DROP),
    )
    return choice, spec


def situation_of(data: Data, weights: frozenset[str]) -> Situation:
    """Return what the choice depends on, from a sample of the training images."""
    places = np.linspace(0, len(data.train) - 1, min(len(data.train), SAMPLED_IMAGES)).astype(int)
    sample = [data.train.read(int(place)) for place in places]
    return Situation(
        pixels=int(np.median([min(image.shape[:2]) for image in sample])),
        images=len(data.train),
        grey=all(bool((image == image[..., :1]).all()) for image in sample),
        weights=weights,
    )


def fitted(recipe: Recipe, images: int) -> Recipe:
    """Return the recipe with a batch that gives an epoch `LEAST_STEPS` steps, where it can.

    The learning rate follows the batch: linearly for SGD (Goyal et al., 2017, arXiv:1706.02677),
    by the root for AdamW.
    """
    batch = recipe.batch
    while batch > SMALLEST_BATCH and images // batch < LEAST_STEPS:
        batch //= 2
    share = batch / recipe.batch
    factor = share**0.5 if recipe.optimizer == "adamw" else share
    return recipe.with_changes(batch=batch, lr=recipe.lr * factor)


def _choice(
    words: Mapping[str, Any],
    data: Data,
    budget_ms: float | None,
    *,
    changes: Mapping[str, Any],
    listener: Listener,
) -> Choice:
    net, size = words.get("net"), words.get("size")
    made_for = SUBJECTS.get(words.get("recipe", ""))
    if made_for is not None and net is None:  # a recipe of a paper is one for its network
        net, size = made_for[0], size or made_for[1]
    situation = situation_of(data, _ready(words))
    if budget_ms is None:
        choice = default_choice(situation, net=net, size=size)
        least = choice.size if size is not None else _least_size(choice.net)
        return replace(choice, size=max(choice.size, least))
    listener.stage(f"choosing: measuring candidates for a budget of {budget_ms:g} ms")
    started = time.perf_counter()
    candidates = candidates_for(situation, nets=None if net is None else [net], size=size)
    how: dict[str, Any] = {
        "classes": len(data.classes),
        "channels": 3,
        "threads": words.get("threads", 1),
        "listener": listener,
        "options": {
            candidate.net: dict(_recipe(words, candidate, changes, images=len(data.train)).options)
            for candidate in candidates
        },
    }
    measured = measure_candidates(candidates, **how)
    near = worth_a_second_look(measured, budget_ms=budget_ms)
    if near:
        measured = faster_of(measured, measure_candidates(near, **how, seconds=SECOND_LOOK_SECONDS))
    seconds = time.perf_counter() - started
    return choose_within(measured, budget_ms=budget_ms, seconds=seconds)


def _least_size(net: str) -> int:
    """Return the least side that a network takes; one that is built for a size takes any."""
    if "size" in option_names(entry(net).builder):
        return 1
    least: Any = skeleton(net).min_size
    return least


def _ready(words: Mapping[str, Any]) -> frozenset[str]:
    """Return the networks that will start from trained weights."""
    weights = words.get("weights", "auto")
    if weights == "none":
        return frozenset()
    if weights != "auto":
        return frozenset({words["net"]})
    known = ((name, pretrained(name)) for name in list_nets())
    return frozenset(name for name, info in known if info is not None and info.path is not None)


def _recipe(
    words: Mapping[str, Any],
    choice: Choice | Candidate,
    changes: Mapping[str, Any],
    *,
    images: int,
) -> Recipe:
    """Return the recipe for a network; what only FleetNet has is left out for others.

    Where training images are not mirrored, neither are those that the network is asked about.
    """
    recipe = fitted(recipe_named(words.get("recipe") or choice.recipe), images)
    if choice.net not in SMALL_NETS:
        recipe = recipe.with_changes(whitened_stem=False)
    if recipe.sizes:
        published = SUBJECTS[words["recipe"]][1]
        recipe = recipe.with_changes(sizes=scaled(recipe.sizes, choice.size / published))
    recipe = _changed(recipe, words, changes)
    if "options" not in changes and (choice.net not in SMALL_NETS or not recipe.augment.flip):
        kept = tuple(option for option in recipe.options if option not in MIRRORED)
        recipe = recipe.with_changes(options=kept)
    return recipe


def _changed(recipe: Recipe, words: Mapping[str, Any], changes: Mapping[str, Any]) -> Recipe:
    given = {name: words[name] for name in ("epochs", "minutes", "seed") if name in words}
    recipe = apply_settings(recipe, changes).with_changes(**given)
    recipe = recipe.with_changes(methods=(*recipe.methods, *words.get("methods", ())))
    methods_of(recipe)  # refuses what is not known
    return recipe


def _budget(words: Mapping[str, Any]) -> float | None:
    budget = words.get("budget") or words.get("budget_ms")
    return None if budget is None else parse_budget(budget)
