"""What a published recipe is for: a network, a size, a data set, and the result to expect.

The cost is computed from multiply-accumulates: a training step is three forward passes, and a large
accelerator sustains a share of its peak that is assumed, not measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fleetfoot.nets.catalog import entry
from fleetfoot.train.recipe import Recipe

IMAGENET_IMAGES = 1_281_167
PASSES = 3  # forward, and backward to inputs and to weights
ACCELERATOR = "H100"
PEAK_MACS = 989e12 / 2  # a second, dense bfloat16, by its data sheet
SHARE_OF_PEAK = 0.2  # assumed


@dataclass(frozen=True, kw_only=True)
class Published:
    """A recipe as its paper has it, and what it is for.

    Attributes:
        recipe: returns the recipe.
        net: the network, by our name.
        size: side of the evaluated images, pixels.
        top1: published accuracy, percent; None where the paper gives none.
        note: how that figure was taken, and whose it is if not the paper's.
        paper: who published it, and where.
        data: what it was trained on.
        images: training images of that.
    """

    recipe: Callable[[], Recipe]
    net: str
    size: int
    top1: float | None
    note: str
    paper: str
    data: str = "ImageNet"
    images: int = IMAGENET_IMAGES

    @property
    def macs(self) -> float:
        """Multiply-accumulates of the whole training, by the size of the images in its parts."""
        facts, recipe = entry(self.net), self.recipe()
        parts = recipe.examples.sizes or ((0.0, self.size),)
        ends = [*(start for start, _ in parts[1:]), 1.0]
        shares = (
            (end - start) * (side / facts.input[-1]) ** 2 for (start, side), end in zip(parts, ends)
        )
        return PASSES * facts.macs * sum(shares) * self.images * (recipe.epochs or 0)

    @property
    def hours(self) -> float:
        """Hours on one `ACCELERATOR` at `SHARE_OF_PEAK` of its peak: computed, not measured."""
        return self.macs / (PEAK_MACS * SHARE_OF_PEAK) / 3600
