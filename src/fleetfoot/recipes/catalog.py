"""The recipes by name."""

import difflib
from collections.abc import Callable

from fleetfoot.core.errors import UsageError
from fleetfoot.recipes.scratch import scratch
from fleetfoot.recipes.small_images import glyphs, small_images
from fleetfoot.recipes.transfer import transfer
from fleetfoot.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe for recipe in (glyphs, scratch, small_images, transfer)
}


def recipe_named(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        UsageError: no such recipe; the message has the nearest names.
    """
    if name in RECIPES:
        return RECIPES[name]()
    near = difflib.get_close_matches(name, RECIPES, n=2, cutoff=0.5) or sorted(RECIPES)
    raise UsageError(f"{name!r} is not a recipe; there are: {', '.join(near)}")
