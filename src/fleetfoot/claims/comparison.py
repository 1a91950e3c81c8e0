"""One comparison: ways to train that are alike in all but what is compared, seed by seed.

A claim on training is a description: a `Comparison` says which network, recipe and effort each way
has at each scale, and the claim's measurement and its control are both taken from it. The control
is often the same way again with other seeds: what remains is what chance alone gives.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from fleetfoot.claims.claim import Control, Effort, Measure, Measurement, Needs, Scale, Setting
from fleetfoot.claims.rules import ANY_ERROR
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import (
    Outcome,
    Stop,
    error_of,
    images_at,
    logits_of,
    mean_interval,
    train_once,
)
from fleetfoot.claims.training_images import preprocess_of
from fleetfoot.measure.counts import count
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Step

OTHER = 100  # is added to seeds that shall not be those of the other way

Rows = tuple[Mapping[str, Any], ...]
Difference = Callable[[float, float], float]  # of two errors in percent


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Ways to train, by name.

    Attributes:
        network: makes the new network of a way at a scale.
        recipe: how a way is trained at a scale, or one recipe for all; its epochs are those of the
            effort.
        efforts: by scale; unless they are given the smoke scale has that of "cpu" with one seed,
            and the long scale that of "gpu".
        data: a name in `training_images.DATA`.
        channels, pixels: of the images, where they are not the data set's (see `train_once`).
        step: what a step of a way computes; None for the ordinary one.
    """

    network: Callable[[str, Scale], nn.Module]
    recipe: Recipe | Callable[[str, Scale], Recipe]
    efforts: Mapping[Scale, Effort]
    data: str = "cifar10"
    channels: int | None = None
    pixels: Mapping[str, Any] | None = None
    step: Callable[[str], Step | None] = lambda _: None

    def needs(self, train_error: float | None = ANY_ERROR) -> Needs:
        """Return what a claim on its trainings needs, see `Needs`."""
        return Needs(data=(self.data,), train_error=train_error, efforts=self.efforts)

    def recipe_of(self, way: str, scale: Scale) -> Recipe:
        """Return how a way is trained at a scale."""
        return self.recipe if isinstance(self.recipe, Recipe) else self.recipe(way, scale)

    def effort(self, setting: Setting) -> Effort:
        """Return the effort of a setting's scale."""
        found = self.efforts.get(setting.scale)
        if found is None and setting.scale == "smoke":
            return replace(self.efforts["cpu"], seeds=1)
        return found or self.efforts["gpu"]

    def train(
        self, way: str, setting: Setting, *, seed: int, stop: Stop | None = None, **changes: Any
    ) -> Outcome:
        """Return one training of a way, the same object whenever it is asked for.

        Args:
            way: its name.
            setting: scale, data folder and device.
            seed: of weights, order, augmentation and dropout.
            stop: ends the training early; a function of a module, not made on the spot.
            changes: of the recipe, such as ``epochs``.
        """
        return _trained(self, way, setting, seed, stop, tuple(sorted(changes.items())))

    def trainings(
        self, way: str, setting: Setting, *, other_seeds: bool = False, **changes: Any
    ) -> tuple[Outcome, ...]:
        """Return the trainings of a way with seeds 0, 1, ..., or with as many others.

        Args:
            way: its name.
            setting: scale, data folder and device.
            other_seeds: take others.
            changes: of the recipe, as in `train`.
        """
        setting.listener.stage(f"training: {named(way, other_seeds)}")
        first = OTHER if other_seeds else 0
        seeds = range(first, first + self.effort(setting).seeds)
        return tuple(self.train(way, setting, seed=seed, **changes) for seed in seeds)

    def gain(self, before: str, after: str, *, other_seeds: bool = False) -> Measure:
        """Return the measurement of by how many points one way errs less than another.

        Args:
            before: the way that errs more, if the claim is right.
            after: the other.
            other_seeds: train the other with other seeds.
        """
        return self._compared(before, after, other_seeds, fall)

    def chance(self, way: str, sentence: str) -> Control:
        """Return the control of a way against itself with other seeds, in the words given."""
        return Control(f"{sentence} with other seeds", self.gain(way, way, other_seeds=True))

    def share_gain(self, before: str, after: str, *, other_seeds: bool = False) -> Measure:
        """Return the measurement of which percentage of the errors is gone, else as `gain`."""
        return self._compared(before, after, other_seeds, share_of_fall)

    def _compared(
        self, before: str, after: str, other_seeds: bool, difference: Difference
    ) -> Measure:
        def measured(setting: Setting) -> Measurement:
            old = self.trainings(before, setting)
            new = self.trainings(after, setting, other_seeds=other_seeds)
            names = before, named(after, other_seeds)
            return compared(old, new, names=names, difference=difference)

        return measured

    def error_of(self, net: nn.Module, way: str, setting: Setting) -> float:
        """Return the percentage of the images that judge which a network of a way gets wrong.

        Args:
            net: on the CPU, in evaluation mode; it need not be a trained one.
            way: gives the recipe, whose precision and layout are used.
            setting: scale and data folder.
        """
        effort = self.effort(setting)
        images = images_at(setting, self.data, "test", effort.test_images)
        pixels = preprocess_of(
            self.data, size=effort.size, channels=self.channels, pixels=self.pixels
        )
        logits = logits_of(net, images, pixels, self.recipe_of(way, setting.scale), device="cpu")
        return error_of(logits, logits.new_tensor(images.labels).long())


@shared
def _trained(
    comparison: Comparison,
    way: str,
    setting: Setting,
    seed: int,
    stop: Stop | None,
    changes: tuple[tuple[str, Any], ...],
) -> Outcome:
    effort = comparison.effort(setting)
    recipe = comparison.recipe_of(way, setting.scale).with_changes(epochs=effort.epochs)
    return train_once(
        lambda: comparison.network(way, setting.scale),
        setting,
        data=comparison.data,
        recipe=recipe.with_changes(**dict(changes)),
        seed=seed,
        train_images=effort.train_images,
        test_images=effort.test_images,
        size=effort.size,
        channels=comparison.channels,
        pixels=comparison.pixels,
        step=comparison.step(way),
        stop=stop,
    )


def fall(old: float, new: float) -> float:
    """Return by how many points an error is lower than another was."""
    return old - new


def share_of_fall(old: float, new: float) -> float:
    """Return which percentage of an error is gone.

    >>> share_of_fall(20.0, 15.0)
    25.0
    """
    return 100 * (1 - new / max(old, 1e-9))


def compared(
    old: Sequence[Outcome],
    new: Sequence[Outcome],
    *,
    names: tuple[str, str],
    difference: Difference = fall,
) -> Measurement:
    """Return how trainings differ from others in their test errors, one pair a seed.

    Args:
        old: one way's.
        new: as many of another.
        names: of the two ways, for the table.
        difference: of the error of one from that of the other.
    """
    found = points(difference(a.test_error, b.test_error) for a, b in zip(old, new, strict=True))
    return replace(found, table=(*rows(names[0], old), *rows(names[1], new)))


def points(values: Iterable[float]) -> Measurement:
    """Return the mean of one value a seed, with its 95 % interval."""
    mean, low, high = mean_interval(list(values))
    return Measurement(value=mean, low=low, high=high)


def rows(name: str, found: Iterable[Outcome], **further: Any) -> Rows:
    """Return one row of a table for each training of a way.

    Args:
        name: of the way.
        found: its trainings.
        further: columns that all of them have besides.
    """
    return tuple(
        {
            "way": name,
            "training": number,
            "test_error_percent": round(outcome.test_error, 3),
            "train_error_percent": round(outcome.train_errors[-1], 3)
            if outcome.train_errors
            else None,
            "epochs": len(outcome.train_errors),
            "seconds": round(outcome.seconds, 1),
            **further,
        }
        for number, outcome in enumerate(found)
    )


def steps_to(target: float, errors: Sequence[float], *, window: int) -> float:
    """Return after how many steps the mean of the last ``window`` errors is at most ``target``.

    Infinity if it never is.

    >>> steps_to(2.0, [9.0, 3.0, 1.0, 0.0], window=2)
    3
    """
    for step in range(window, len(errors) + 1):
        if math.fsum(errors[step - window : step]) / window <= target:
            return step
    return math.inf


def macs_of(net: nn.Module, size: int) -> int:
    """Return the multiply-adds of a network for one colour image of a side."""
    return count(net, (3, size, size)).macs


def named(way: str, other_seeds: bool) -> str:
    """Return what tables call a way."""
    return f"{way}, other seeds" if other_seeds else way
