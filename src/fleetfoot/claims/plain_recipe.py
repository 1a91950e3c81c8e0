"""The recipe that trainings of claims start from: AlexNet's update rule and nothing else."""

from collections.abc import Mapping
from typing import Any

from fleetfoot.data.augment import Augment
from fleetfoot.train.recipe import Recipe


def plain_recipe(*, augment: Mapping[str, Any] | None = None, **words: Any) -> Recipe:
    """Return a recipe without regularisation, augmentation and schedule but for what is given.

    Args:
        augment: words of `Augment`; what it leaves open is neither cropped nor flipped.
        words: fields of `Recipe`.

    Raises:
        UsageError: a value out of its range.
    """
    images: dict[str, Any] = {"crop": "none", "flip": 0.0, **(augment or {})}
    plain = Recipe(
        batch=32,
        optimizer="velocity_sgd",
        weight_decay=0.0,
        schedule="steps",
        milestones=(),
        warmup=0.0,
        label_smoothing=0.0,
        augment=Augment(**images),
    )
    return plain.with_changes(**words)
