"""Methods of the regularisation survey that act on images: words of a recipe."""

from collections.abc import Callable
from dataclasses import replace

from fleetfoot.core import arguments
from fleetfoot.data import cutout as holes
from fleetfoot.recipes.method import Method, method
from fleetfoot.train.steps.batch_augment import copies_step
from fleetfoot.train.steps.fixres import Norms, freeze_body, frozen_norms_step, thaw
from fleetfoot.train.steps.step import Context, Step, in_context


@method(
    acts="image",
    paper="DeVries & Taylor, 2017, arXiv:1708.04552",
    published="CIFAR-10, ResNet-18: 4.72 to 3.99 %",
)
def cutout(side: int = 16, holes_each: int = 1) -> Method:
    """A square of each image becomes the mean colour; half the image wide on CIFAR-10."""
    arguments.at_least(1, side, "side")
    arguments.at_least(1, holes_each, "holes_each")
    return Method(
        transform=lambda images, draws: holes.cutout(images, draws, side=side, holes=holes_each)
    )


@method(
    acts="image",
    paper="Zhong et al., 2017, arXiv:1708.04896",
    published="CIFAR-10, WRN-28-10: 3.80 to 3.08 % (from memory)",
)
def random_erasing(chance: float = 0.5) -> Method:
    """A random rectangle of some images becomes the mean colour, drawn as first published."""
    _chance(chance, "chance")
    return Method(transform=lambda x, draws: holes.random_erasing(x, draws, chance=chance))


@method(
    acts="image",
    paper="Zhang et al., 2017, arXiv:1710.09412",
    published="CIFAR-10, PreAct-18: 5.53 to 4.24 %",
)
def mixup(alpha: float = 1.0, probability: float = 1.0) -> Method:
    """Images and their labels are mixed in pairs, by a share from Beta(alpha, alpha)."""
    arguments.above_zero(alpha, "alpha")
    return Method(step=_augmenting(mixup=alpha, mix_probability=_chance(probability)))


@method(
    acts="image",
    paper="Yun et al., 2019, arXiv:1905.04899",
    published="CIFAR-100, PyramidNet-200: 16.45 to 14.23 %",
)
def cutmix(alpha: float = 1.0, probability: float = 0.5) -> Method:
    """A box of each image is another's, and the labels are mixed by its area."""
    arguments.above_zero(alpha, "alpha")
    return Method(step=_augmenting(cutmix=alpha, mix_probability=_chance(probability)))


@method(acts="image", paper="Hoffer et al., CVPR 2020")
def batch_augment(
    copies: int = 2, pad: int = 4, flip: float = 0.5, *, average: bool = False
) -> Method:
    """Each image comes several times into a step, shifted and mirrored apart."""
    arguments.at_least(1, copies, "copies")
    arguments.at_least(0, pad, "pad")
    _chance(flip, "flip")
    return Method(
        step=lambda step: copies_step(step, copies=copies, pad=pad, flip=flip, average=average)
    )


@method(
    acts="image",
    paper="Touvron et al., 2019, arXiv:1906.06423",
    published="ImageNet, ResNet-50 at 384 px: 77.0 to 79.0 % right",
)
def fixres(norms: Norms = "last") -> Method:
    """For a second run at a larger size: only the classifier and the last norm are trained."""
    return Method(
        surgery=lambda net: freeze_body(net, norms=norms),
        step=frozen_norms_step,
        finish=thaw,
        second_run=True,
    )


def _chance(value: float, name: str = "probability") -> float:
    return value if value == 1.0 else arguments.rate(value, name)


def _augmenting(**changes: float) -> Callable[[Step], Step]:
    """Return the wrapping of a step in which settings of the recipe's `Mix` are changed."""

    def mixing(context: Context) -> Context:
        return replace(context, recipe=context.recipe.with_changes(**changes))

    return lambda step: in_context(step, mixing)
