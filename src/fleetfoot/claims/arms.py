"""Arms of a comparison: trainings that differ in one thing, with the same seeds and images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from fleetfoot.claims import training_gain
from fleetfoot.claims.claim import Measurement, Scale, Setting
from fleetfoot.claims.training import (
    Outcome,
    error_of,
    images_at,
    is_smoke,
    logits_of,
    train_once,
)
from fleetfoot.claims.training_images import preprocess_of
from fleetfoot.measure.counts import count

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.train.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How thoroughly the arms of a comparison are trained.

    Attributes:
        seeds: trainings of each arm, with seeds 0, 1, ...
        epochs: of each.
        size: side of the images, pixels.
        train_images: None for all.
        test_images: None for all.
        data: a name in `training_images.DATA`.
    """

    seeds: int
    epochs: int
    size: int
    train_images: int | None = None
    test_images: int | None = None
    data: str = "cifar10"


@dataclass(frozen=True, eq=False)
class Arm:
    """The trainings of one arm, in the order of their seeds, and the work of its network."""

    name: str
    outcomes: tuple[Outcome, ...]
    macs: int

    @property
    def errors(self) -> tuple[float, ...]:
        """Percent of the images that judge which are wrong, by seed."""
        return tuple(outcome.test_error for outcome in self.outcomes)

    @property
    def mean_error(self) -> float:
        """Their mean."""
        return sum(self.errors) / len(self.errors)


def effort_at(setting: Setting, efforts: Mapping[Scale, Effort]) -> Effort:
    """Return the effort of a scale; the smoke scale has that of "cpu" with one seed."""
    return replace(efforts["cpu"], seeds=1) if is_smoke(setting) else efforts[setting.scale]


def trained(
    name: str,
    make_net: Callable[[], nn.Module],
    setting: Setting,
    *,
    recipe: "Recipe",
    effort: Effort,
    **words: Any,
) -> Arm:
    """Return an arm, trained with each seed; further words are those of `train_once`."""
    setting.listener.stage(f"training: {name}")
    outcomes = tuple(
        train_once(
            make_net,
            setting,
            data=effort.data,
            recipe=recipe.with_changes(epochs=effort.epochs),
            seed=seed,
            size=effort.size,
            train_images=effort.train_images,
            test_images=effort.test_images,
            **words,
        )
        for seed in range(effort.seeds)
    )
    return Arm(name, outcomes, macs_of(outcomes[0].net, effort.size))


def error_in(net: nn.Module, setting: Setting, *, recipe: "Recipe", effort: Effort) -> float:
    """Return what percentage of the images that judge an effort's trainings a network gets wrong.

    Args:
        net: on the CPU, in evaluation mode.
        setting: scale and data folder.
        recipe: its precision and layout are used.
        effort: its images are used.
    """
    images = images_at(setting, effort.data, "test", effort.test_images)
    pixels = preprocess_of(effort.data, size=effort.size)
    logits = logits_of(net, images, pixels, recipe, device="cpu")
    return error_of(logits, logits.new_tensor(images.labels).long())


def macs_of(net: nn.Module, size: int) -> int:
    """Return the multiply-adds of a network for one colour image of a side."""
    return count(net, (3, size, size)).macs


def lead(first: Arm, second: Arm) -> Measurement:
    """Return by how many points the first arm errs less than the second, seed by seed."""
    pairs = zip(first.errors, second.errors, strict=True)
    return replace(training_gain.points(b - a for a, b in pairs), table=rows(first, second))


def rows(*arms: Arm) -> tuple[Mapping[str, Any], ...]:
    """Return a row for each training."""
    return tuple(
        {**row, "macs": arm.macs}
        for arm in arms
        for row in training_gain.rows(arm.name, arm.outcomes)
    )
