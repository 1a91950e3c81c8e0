"""Train the classifier alone, on features computed once: minutes become seconds.

The body is frozen, so the pooled features of the plain images, their mirror images and some
augmented views are all that is needed of it. Which form the classifier gets is decided in
`head_fits`.

Letters  N images (times views), F features, C classes
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.keeping import keeping
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.data.samples import Data, Split
from fleetfoot.ops.class_map import ClassMap
from fleetfoot.train.head.fits import class_map_wins, fit_class_map, fit_linear
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context

BATCH = 64
COMPARED = 2000  # images, spread evenly, that cross-validation uses at most


@dataclass(frozen=True)
class HeadReport:
    """How the classifier was fitted.

    Attributes:
        form: "class_map" or "linear".
        reason: why this one.
        images: training images that were used.
        views: cached views of each of them.
        seconds: what it took.
        class_map_accuracy, linear_accuracy: by cross-validation inside the training images; None
            where there was nothing to choose.
    """

    form: str
    reason: str
    images: int
    views: int
    seconds: float
    class_map_accuracy: float | None = None
    linear_accuracy: float | None = None

    def in_words(self) -> str:
        """Return the report in one line."""
        text = f"head: {self.form} on {self.views} cached views of {self.images:,} images"
        if self.class_map_accuracy is None or self.linear_accuracy is None:
            return f"{text} ({self.reason})"
        return (
            f"{text}; cross-validation inside the training images: "
            f"class_map {self.class_map_accuracy:.1%}, linear {self.linear_accuracy:.1%}"
        )


def train_head(
    net: nn.Module, data: Data, context: Context, *, workers: int, images: int | None = None
) -> HeadReport:
    """Replace ``net.classifier`` by one fitted to frozen features of the training images.

    A network whose classifier still has the outputs of its pretraining may get a class map over
    them; one made for the classes of ``data`` gets a linear classifier. Over several processes
    each does the same.

    Args:
        net: has `forward_pooled` and `classifier`, a linear layer.
        data: the data set; its training images are read.
        context: recipe, precision and layout.
        workers: processes that read images.
        images: at most this many training images, spread evenly; None uses all.

    Raises:
        UsageError: the network has no linear classifier.
    """
    start = time.perf_counter()
    recipe, net_parts = context.recipe, _parts(net)
    known: nn.Linear = net_parts.classifier
    split = some_of(data.train, images)
    features_NF, labels_N = cached_features(net, split, context, workers=workers)
    sizes = {"classes": context.classes, "iterations": recipe.head.steps}
    form, accuracies, reason = recipe.head.kind, (), "as the recipe says"
    if known.out_features == context.classes:
        form, reason = "linear", "the network keeps no classifier of its pretraining"
    elif form == "auto" and len(split) < 2 * context.classes:
        form, reason = "linear", "fewer than two images a class leave nothing to cross-validate"
    elif form == "auto":
        plain = torch.linspace(0, len(split) - 1, min(COMPARED, len(split))).long()
        wins, *accuracies = class_map_wins(
            features_NF[plain],
            labels_N[plain],
            known=known,
            penalty=recipe.head.penalty,
            seed=recipe.seed,
            **sizes,
        )
        form = "class_map" if wins else "linear"
        reason = "by cross-validation; a class map helps where classes unite those of pretraining"
    if form == "class_map":
        net_parts.classifier = fit_class_map(features_NF, labels_N, known=known, **sizes)
    else:
        net_parts.classifier = fit_linear(
            features_NF, labels_N, penalty=recipe.head.penalty, **sizes
        )
    seconds = round(time.perf_counter() - start, 3)
    return HeadReport(form, reason, len(split), 2 + recipe.head.views, seconds, *accuracies)


def some_of(split: Split, images: int | None) -> Split:
    """Return ``split``, or this many of its images, spread evenly over it."""
    if images is None or images >= len(split):
        return split
    places = np.linspace(0, len(split) - 1, images).round().astype(int).tolist()
    kept = (split.samples[place] for place in places)
    return split.holding(kept)


def shape_head(net: nn.Module, classes: int, *, like: dict[str, Tensor] | None = None) -> None:
    """Give ``net`` a classifier of the right form and number of outputs, with any weights.

    Args:
        net: its classifier may still have the outputs of its pretraining.
        classes: number of classes.
        like: tensors of a saved state, whose form is taken; None takes a class map where the
            number of outputs does not fit.
    """
    parts = _parts(net)
    known: nn.Linear = parts.classifier
    mapped = known.out_features != classes if like is None else MAP_KEY in like
    if mapped:
        parts.classifier = ClassMap(known.in_features, known.out_features, classes)
    elif known.out_features != classes:
        parts.classifier = nn.Linear(known.in_features, classes)
    parts.classifier.to(known.weight.device)


MAP_KEY = "net.classifier.log_shares"


def check_outputs(net: nn.Module, recipe: Recipe, *, classes: int) -> None:
    """Refuse a linear classifier of another size that no head phase will replace.

    Raises:
        UsageError: it would be trained towards classes that do not exist.
    """
    classifier = getattr(net, "classifier", None)
    if (
        isinstance(classifier, nn.Linear)
        and classifier.out_features != classes
        and not recipe.head.steps
    ):
        raise UsageError(
            f"{type(net).__name__} has {classifier.out_features} outputs, the data has {classes} "
            "classes: create it with that many, or set head_steps above 0"
        )


@torch.no_grad()
def cached_features(
    net: nn.Module, split: Split, context: Context, *, workers: int
) -> tuple[Tensor, Tensor]:
    """Return pooled features (N, F) and labels (N,): plain images, mirrored ones, random views."""
    recipe, forward_pooled = context.recipe, _parts(net).forward_pooled
    plain = Loader(split, context.normalise.preprocess, batch=BATCH, workers=workers)
    views = Loader(
        split,
        context.normalise.preprocess,
        batch=min(BATCH, len(split)),
        seed=recipe.seed,
        augment=recipe.augment,
        workers=workers,
    )

    def features(batch: Batch, *, mirrored: bool = False) -> Tensor:
        images = batch.images.flip(2) if mirrored else batch.images
        with context.autocast():
            return forward_pooled(context.normalise(images)).float()

    with keeping(net.modules(), "training"):
        net.eval()
        rows = [(features(b), features(b, mirrored=True), b.labels) for b in plain.evaluate()]
        columns = [torch.cat(column) for column in zip(*rows)]
        found, labels = columns[:2], [columns[2], columns[2]]
        for view in range(recipe.head.views):
            for batch in views.epoch(view):
                found.append(features(batch))
                labels.append(batch.labels)
    return torch.cat(found), torch.cat(labels).to(found[0].device)


def _parts(net: nn.Module) -> Any:
    """The network, known to have `forward_pooled` and a linear `classifier`."""
    if not hasattr(net, "forward_pooled") or not isinstance(
        getattr(net, "classifier", None), nn.Linear
    ):
        raise UsageError(
            f"a head phase needs a network with `forward_pooled` and a linear `classifier`; "
            f"{type(net).__name__} has none: set head_steps to 0"
        )
    return net
