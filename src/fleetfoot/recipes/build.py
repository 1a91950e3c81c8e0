"""Build the network of a run with its initial weights, a function of spec and data alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.deploy.gate import spread
from fleetfoot.nets.catalog import CLASS_MAP, entry, option_names
from fleetfoot.nets.create import create
from fleetfoot.nets.protocol import check_size
from fleetfoot.nets.weights import load_weights
from fleetfoot.recipes import method
from fleetfoot.recipes.evaluation import crops
from fleetfoot.recipes.run_spec import RunSpec, saved_weights
from fleetfoot.train.recipe import Recipe

# Options of a saved network that the next training decides again.
OF_TRAINING = (CLASS_MAP, "frozen_stem", "size", "drop_path", "dropout", "real_weights")
WHITENING_IMAGES = 2000  # crops that whiten a stem: more would only cost time
START_IMAGES = 5000  # that an initialiser may look at


def build(
    spec: RunSpec,
    data: Data,
    preprocess: Preprocess,
    *,
    initialise: bool = True,
    tell: Callable[[method.Surgery], None] = lambda _: None,
) -> nn.Module:
    """Return the network with its initial weights, a function of spec and data alone.

    Without ``initialise`` the methods of the recipe that set first weights are left out. ``tell``
    hears what methods changed of the network.

    One that starts from published weights keeps the published classifier if the head phase may
    speak through it.

    Raises:
        UsageError: a word that the network does not take, a method that would undo trained
            weights, or one that has no use for these classes.
    """
    recipe = spec.recipe
    used = method.methods_of(recipe)
    for found in used:
        if found.initialise and spec.weights != "none":
            raise UsageError(
                f"method {found.word} sets first weights, and --weights {spec.weights} brings "
                "trained ones: give --weights none, or leave out the method"
            )
        if found.second_run and spec.weights == "none":
            raise UsageError(
                f"method {found.word} is for a network that has been trained: give --weights "
                "RUN/weights"
            )
        if found.check is not None:
            found.check(data.classes)
    seed_everything(recipe.seed)
    options = _net_options(spec)
    net = create(
        spec.net,
        num_classes=None if _may_map(spec) else len(data.classes),
        in_chans=preprocess.channels,
        pretrained=spec.weights == "auto",
        **options,
    )
    for size in dict.fromkeys((spec.size, *(side for _, side in recipe.examples.sizes))):
        check_size(net, size, name=spec.net)
    if spec.weights not in ("auto", "none"):
        load_weights(net, spec.weights)
    elif recipe.network.whitened_stem:
        whiten_stem: Any = net.whiten_stem
        images = preprocess.normalise(crops(data.train, preprocess, limit=WHITENING_IMAGES))
        whiten_stem(torch.from_numpy(images))
    net = method.apply_surgery(net, recipe, tell=tell)
    if initialise and any(found.initialise for found in used):
        method.initialise(net, _start(data, preprocess, recipe))
    return net


def _start(data: Data, preprocess: Preprocess, recipe: Recipe) -> method.Start:
    images = preprocess.normalise(crops(data.train, preprocess, limit=START_IMAGES))
    labels = data.train.labels[spread(len(data.train), START_IMAGES)]
    return method.Start(
        images=torch.from_numpy(images), labels=torch.from_numpy(labels), recipe=recipe
    )


def _net_options(spec: RunSpec) -> dict[str, Any]:
    """Return the words for `create`; what the recipe leaves open is as published."""
    recipe = spec.recipe
    known = option_names(entry(spec.net).builder)
    rates = {"drop_path": recipe.network.drop_path, "dropout": recipe.network.dropout}
    # A rate of 0 is what a network without that word has; any other it refuses itself.
    options: dict[str, Any] = {
        word: rate for word, rate in rates.items() if rate or (rate == 0 and word in known)
    }
    options = _saved_options(spec) | options | dict(recipe.network.options)
    if recipe.network.whitened_stem:
        options["frozen_stem"] = True
    if "size" in known:  # a network with filters of their own at each position
        options["size"] = spec.size
    return options


def _saved_options(spec: RunSpec) -> dict[str, Any]:
    """Return what a folder of weights of the same network says that belongs to its function."""
    saved = saved_weights(spec)
    if saved is None or saved.created_as.name != spec.net:
        return {}
    return {word: v for word, v in saved.created_as.options.items() if word not in OF_TRAINING}


def _may_map(spec: RunSpec) -> bool:
    recipe = spec.recipe
    return spec.weights == "auto" and recipe.head.steps > 0 and recipe.head.kind != "linear"
