"""The recipe that trainings of claims start from: AlexNet's update rule and nothing else."""

from collections.abc import Mapping
from typing import Any

from fleetfoot.data.augment import Augment
from fleetfoot.train.optim.rules import VelocitySGD
from fleetfoot.train.optim.schedules import Steps
from fleetfoot.train.recipe import Examples, Recipe


def plain_recipe(*, augment: Mapping[str, Any] | None = None, **words: Any) -> Recipe:
    """Return a recipe without regularisation, augmentation and schedule but for what is given.

    Args:
        augment: words of `Augment`; what it leaves open is neither cropped nor flipped.
        words: settings of `Recipe`, by names that fit one alone.

    Raises:
        UsageError: a value out of its range.
    """
    images: dict[str, Any] = {"crop": "none", "flip": 0.0, **(augment or {})}
    plain = Recipe(
        batch=32,
        optimizer=VelocitySGD(lr=1e-3),
        schedule=Steps(milestones=()),
        examples=Examples(augment=Augment(**images), label_smoothing=0.0),
    )
    return plain.with_changes(**words)
