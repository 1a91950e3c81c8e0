"""The recipes by name, and what the published ones are for."""

from collections.abc import Callable
from functools import partial

from fleetfoot.core.arguments import nearest
from fleetfoot.core.errors import UsageError
from fleetfoot.recipes import (
    alexnet,
    allcnn,
    bdnn,
    binary_cifar,
    bn_inception,
    efficientnet,
    fasternet,
    nin,
    qnn,
    vovnet,
)
from fleetfoot.recipes.fixres import fix_resolution
from fleetfoot.recipes.photographs import scratch, transfer
from fleetfoot.recipes.published import Published
from fleetfoot.recipes.small import FORMS, small
from fleetfoot.recipes.small_images import glyphs, small_images
from fleetfoot.train.recipe import Recipe

PUBLISHED: dict[str, Published] = {
    name: published
    for family in (
        *(alexnet, allcnn, bdnn, binary_cifar, bn_inception, efficientnet, fasternet),
        *(nin, qnn, vovnet),
    )
    for name, published in family.PUBLISHED.items()
}
RECIPES: dict[str, Callable[[], Recipe]] = (
    {
        recipe.__name__: recipe
        for recipe in (fix_resolution, glyphs, scratch, small_images, transfer)
    }
    | {name: published.recipe for name, published in PUBLISHED.items()}
    | {f"{name}_small": partial(small, PUBLISHED[name], form) for name, form in FORMS.items()}
)
# Network and size that a recipe is made for, where it is made for one.
SUBJECTS = {name: (published.net, published.size) for name, published in PUBLISHED.items()} | {
    f"{name}_small": (form.net, form.size) for name, form in FORMS.items()
}


def recipe_named(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        UsageError: no such recipe; the message has the nearest names.
    """
    if name in RECIPES:
        return RECIPES[name]()
    hint = nearest(name, RECIPES, otherwise=f"there are: {', '.join(sorted(RECIPES))}")
    raise UsageError(f"{name!r} is not a recipe; {hint}")
