"""One comparison: ways to train that are alike in all but what is compared, seed by seed.

A claim on training is a description: a `Comparison` says which network, recipe and effort each way
has at each scale, and the claim's measurement and its control are both taken from it. The control
is often the same way again with other seeds: what remains is what chance alone gives.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from fleetfoot.claims.claim import (
    Control,
    Effort,
    Efforts,
    Measure,
    Measurement,
    Needs,
    Scale,
    Setting,
    effort_at,
)
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
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.measure.counts import count
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Step

OTHER = 100  # is added to seeds that shall not be those of the other way

Rows = tuple[Mapping[str, Any], ...]
Difference = Callable[[float, float], float]  # of two errors in percent


def fall(old: float, new: float) -> float:
    """Return by how many points an error is lower than another was."""
    return old - new


def share_of_fall(old: float, new: float) -> float:
    """Return which percentage of an error is gone.

    >>> share_of_fall(20.0, 15.0)
    25.0
    """
    return 100 * (1 - new / max(old, 1e-9))


@dataclass(frozen=True, kw_only=True, eq=False)
class Ways(ABC):
    """Ways to train, by name, and what is measured of them.

    Attributes:
        efforts: by scale, as `effort_at` reads them.
        data: a name in `training_images.DATA`.
    """

    efforts: Efforts
    data: str = "cifar10"

    @abstractmethod
    def carry_out(self, way: str, setting: Setting, *, seed: int, **changes: Any) -> Outcome:
        """Return one training of a way; see `train`."""

    def train(self, way: str, setting: Setting, *, seed: int, **changes: Any) -> Outcome:
        """Return one training of a way, the same object whenever it is asked for.

        Args:
            way: its name.
            setting: scale, data folder and device.
            seed: of weights, order, augmentation and dropout.
            changes: of the recipe, such as ``epochs``; of a `Comparison` also ``stop``, which ends
                the training early: a function of a module, not made on the spot.
        """
        return _trained(self, way, setting, seed, tuple(sorted(changes.items())))

    def trainings(
        self, way: str, setting: Setting, *, other_seeds: bool = False, **changes: Any
    ) -> tuple[Outcome, ...]:
        """Return the trainings of a way with seeds 0, 1, ..., or with as many others."""
        setting.listener.stage(f"training: {named(way, other_seeds)}")
        first = OTHER if other_seeds else 0
        seeds = range(first, first + self.effort(setting).seeds)
        return tuple(self.train(way, setting, seed=seed, **changes) for seed in seeds)

    def effort(self, setting: Setting) -> Effort:
        """Return the effort of a setting's scale."""
        return effort_at(setting.scale, self.efforts)

    def needs(
        self, train_error: float | None = ANY_ERROR, *, packages: tuple[str, ...] = ()
    ) -> Needs:
        """Return what a claim on its trainings needs, see `Needs`."""
        return Needs(
            data=(self.data,), packages=packages, train_error=train_error, efforts=self.efforts
        )

    def gain(
        self,
        before: str,
        after: str,
        *,
        other_seeds: bool = False,
        difference: Difference = fall,
    ) -> Measure:
        """Return the measurement of by how many points one way errs less than another.

        Args:
            before: the way that errs more, if the claim is right.
            after: the other.
            other_seeds: train the other with other seeds.
            difference: of two errors, instead of that in points.
        """

        def measured(setting: Setting) -> Measurement:
            old = self.trainings(before, setting)
            new = self.trainings(after, setting, other_seeds=other_seeds)
            names = before, named(after, other_seeds)
            return compared(old, new, names=names, difference=difference)

        return measured

    def chance(self, way: str, sentence: str, *, difference: Difference = fall) -> Control:
        """Return the control of a way against itself with other seeds, in the words given."""
        measure = self.gain(way, way, other_seeds=True, difference=difference)
        return Control(f"{sentence} with other seeds", measure)


@shared
def _trained(
    ways: Ways, way: str, setting: Setting, seed: int, changes: tuple[tuple[str, Any], ...]
) -> Outcome:
    return ways.carry_out(way, setting, seed=seed, **dict(changes))


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison(Ways):
    """Ways whose trainings are those of `train_once`.

    Attributes:
        network: makes the new network of a way at a scale.
        recipe: how a way is trained at a scale, or one recipe for all; its epochs are those of the
            effort.
        pixels: fields of `Preprocess` that are not the data set's, besides the effort's size.
        step: what a step of a way computes; None for the ordinary one.
    """

    network: Callable[[str, Scale], nn.Module]
    recipe: Recipe | Callable[[str, Scale], Recipe]
    pixels: Mapping[str, Any] | None = None
    step: Callable[[str], Step | None] = lambda _: None

    def recipe_of(self, way: str, scale: Scale) -> Recipe:
        """Return how a way is trained at a scale."""
        return self.recipe if isinstance(self.recipe, Recipe) else self.recipe(way, scale)

    def carry_out(
        self, way: str, setting: Setting, *, seed: int, stop: Stop | None = None, **changes: Any
    ) -> Outcome:
        """Return one training of a way; see `train`."""
        effort = self.effort(setting)
        recipe = self.recipe_of(way, setting.scale).with_changes(epochs=effort.epochs)
        return train_once(
            lambda: self.network(way, setting.scale),
            setting,
            data=self.data,
            recipe=recipe.with_changes(**changes),
            seed=seed,
            train_images=effort.train_images,
            test_images=effort.test_images,
            preprocess=self.preprocess(setting),
            step=self.step(way),
            stop=stop,
        )

    def best_rate(
        self, way: str, rates: Iterable[float], setting: Setting, **changes: Any
    ) -> float:
        """Return the learning rate that leads a way lowest on the images that it trains with."""

        def led_to(rate: float) -> float:
            found = self.train(way, setting, seed=OTHER - 1, lr=rate, **changes)
            return found.train_errors[-1] if found.finite else math.inf

        return min(rates, key=led_to)

    def preprocess(self, setting: Setting) -> Preprocess:
        """Return what makes network inputs of images."""
        return preprocess_of(self.data, size=self.effort(setting).size, pixels=self.pixels)

    def judges(self, setting: Setting) -> Split:
        """Return the images that judge."""
        return images_at(setting, self.data, "test", self.effort(setting).test_images)

    def error_of(
        self, net: nn.Module, way: str, setting: Setting, *, images: Split | None = None
    ) -> float:
        """Return the percentage of images that a network gets wrong.

        Args:
            net: on the CPU, in evaluation mode; it need not be a trained one.
            way: gives the recipe, whose precision and layout are used.
            setting: scale and data folder.
            images: those that judge unless given.
        """
        images, recipe = images or self.judges(setting), self.recipe_of(way, setting.scale)
        logits = logits_of(net, images, self.preprocess(setting), recipe, device="cpu")
        return error_of(logits, logits.new_tensor(images.labels).long())


def compared(
    old: Sequence[Outcome],
    new: Sequence[Outcome],
    *,
    names: tuple[str, str],
    difference: Difference = fall,
) -> Measurement:
    """Return how the test errors of trainings differ from those of as many others, seed by seed.

    Args:
        old: one way's.
        new: the other's.
        names: of the two ways, for the table.
        difference: of two errors.
    """
    found = points(difference(a.test_error, b.test_error) for a, b in zip(old, new, strict=True))
    return replace(found, table=(*rows(names[0], old), *rows(names[1], new)))


def points(values: Iterable[float]) -> Measurement:
    """Return the mean of one value a seed, with its 95 % interval."""
    mean, low, high = mean_interval(list(values))
    return Measurement(value=mean, low=low, high=high)


def rows(name: str, found: Iterable[Outcome], **further: Any) -> Rows:
    """Return one row of a table for each training of a way, with ``further`` columns."""
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
