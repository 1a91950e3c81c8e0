"""The small form of a published recipe: minutes on one core, for CIFAR-10 or MNIST.

`small` derives it, the same way for all; a `Form` says only which network of the paper stands in,
on what data and for how long. What follows from the length:

- batches of at most `BATCH`, with the learning rate by the root of the batch: linearly it would be
  too timid for a few hundred steps; but linearly for RMSProp, as EfficientNet's code has it
- a rate that waits for a plateau falls after 1/2, 3/4, 7/8 of the run; all else falls at the
  shares of the run where it is published; and it rises over a tenth of the run at least
- the average of the weights reaches back over the share of the run that is published
- what fights over-fitting is left out (dropout, stochastic depth, mixing, learnt augmentation):
  so short a run under-fits; shifts stay, and flips but for digits
- progressive sizes keep their proportions
"""

from dataclasses import dataclass, replace
from typing import Literal

from fleetfoot.core.errors import UsageError
from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import RMSProp
from fleetfoot.train.optim.schedules import Plateau, Schedule, Steps
from fleetfoot.train.recipe import Options, Recipe, Sizes

BATCH = 64
WARMUP = 0.1
SHIFT = 16  # a shift is this part of the side, at most
LEAST_SIDE = 8


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where a small form is trained; no number of its recipe.

    Attributes:
        net: a network of the same paper.
        data: "cifar10" or "mnist".
        size: side of the images, pixels.
        images: training images, a part of the set.
        epochs: passes over them.
        options: words of the network, instead of the recipe's.
        methods: words that are switched on, behind those of the recipe.
        precision: how it is computed; depthwise convolutions are faster in float32.
    """

    net: str
    data: Literal["cifar10", "mnist"]
    size: int
    images: int
    epochs: int
    options: Options = ()
    methods: tuple[str, ...] = ()
    precision: Literal["float32", "bfloat16"] = "bfloat16"


# As published, NIN and All-CNN stay at chance for so short a run: their class maps pass a ReLU, and
# first weights are so small that signals fade within nine layers.
BARE: Options = (("logit_relu", False),)
LOUD = ("kaiming",)
FORMS = {
    "alexnet": Form(net="cuda_convnet_26", data="cifar10", size=32, images=20_000, epochs=6),
    "allcnn_c_moved": Form(
        net="allcnn_c",
        data="cifar10",
        size=16,
        images=10_000,
        epochs=5,
        options=BARE,
        methods=LOUD,
    ),
    "bdnn_mnist": Form(
        net="bnn_mnist", data="mnist", size=28, images=5000, epochs=4, precision="float32"
    ),
    "bn_inception_x5": Form(net="bn_inception", data="mnist", size=28, images=5000, epochs=2),
    "efficientnet_b0": Form(
        net="efficientnet_b0", data="mnist", size=28, images=5000, epochs=12, precision="float32"
    ),
    "fasternet_t0": Form(net="fasternet_t0", data="cifar10", size=40, images=10_000, epochs=4),
    "mnist_sigmoid_bn": Form(
        net="mnist_sigmoid_bn", data="mnist", size=28, images=20_000, epochs=6
    ),
    "nin_mnist": Form(
        net="nin_mnist",
        data="mnist",
        size=14,
        images=10_000,
        epochs=14,
        options=BARE,
        methods=LOUD,
    ),
    "vovnet27_slim": Form(net="vovnet27_slim", data="cifar10", size=32, images=10_000, epochs=5),
}


def small(published: Published, form: Form) -> Recipe:
    """Return the recipe of a published one's small form.

    Raises:
        UsageError: the form has fewer images than a batch.
    """
    recipe = published.recipe()
    batch = min(recipe.batch, BATCH)
    if form.images < batch:
        raise UsageError(f"small: {form.images} images are less than a batch of {batch}")
    steps = form.epochs * (form.images // batch)
    power = 1.0 if isinstance(recipe.optimizer, RMSProp) else 0.5
    schedule = by_shares(recipe.schedule)
    return recipe.with_changes(
        epochs=form.epochs,
        batch=batch,
        lr=recipe.optimizer.lr * (batch / recipe.batch) ** power,
        schedule=replace(schedule, warmup=max(schedule.warmup, WARMUP), epochwise=False),
        examples=replace(
            recipe.examples,
            augment=_augment(recipe.augment, form),
            sizes=scaled(recipe.examples.sizes, form.size / published.size),
            crop_fraction=None,
        ),
        network=replace(recipe.network, drop_path=0.0, dropout=0.0, options=form.options),
        ema=_average(recipe, published, steps),
        evaluate_every=None,
        precision=form.precision,
        layout="nhwc",
        methods=(*recipe.methods, *methods(*form.methods)),
    )


def scaled(sizes: Sizes, share: float) -> Sizes:
    """Return the sizes of training images for a network of another size than the published one.

    >>> scaled(((0.0, 192), (0.5, 224)), 0.5)
    ((0.0, 96), (0.5, 112))
    """
    return tuple((start, max(LEAST_SIDE, round(side * share))) for start, side in sizes)


def by_shares(schedule: Schedule) -> Schedule:
    """Return the schedule with falls at shares of the run, each at half of what was left of it.

    >>> by_shares(Plateau(drops=3)).milestones
    (0.5, 0.75, 0.875)
    """
    if not isinstance(schedule, Plateau) or not schedule.drops:
        return schedule
    shares = tuple(1 - 0.5**number for number in range(1, schedule.drops + 1))
    return Steps(milestones=shares, step_factor=schedule.step_factor, warmup=schedule.warmup)


def _average(recipe: Recipe, published: Published, steps: int) -> float | None:
    """Return the decay whose reach, 1 / (1 - decay), is the published share of the run."""
    if recipe.checkpoints.ema is None:
        return None
    whole = (recipe.epochs or 1) * (published.images // recipe.batch)
    return max(0.0, 1 - (1 - recipe.checkpoints.ema) * whole / steps)


def _augment(augment: Augment, form: Form) -> Augment:
    moved = augment.crop != "none"
    return replace(
        Augment(crop="pad" if moved else "none", pad=max(1, form.size // SHIFT)),
        flip=0.0 if form.data == "mnist" else augment.flip,
        colour_pca="none" if form.data == "mnist" else augment.colour_pca,
    )
