"""Batch normalisation: Inception with and without it on ImageNet, and a sigmoid net on MNIST.

Command   fleetfoot fit IMAGENET --recipe bn_inception_x5        (inception, bn_inception_baseline,
          bn_inception_x30)
          fleetfoot fit mnist:DIR --recipe mnist_sigmoid_bn        (mnist_sigmoid)
Cost      17.0 hours on an H100 (inception), 7.3 (bn_inception_baseline), 3.3 (x5 and x30), computed
Result    72.2, 72.7, 73.0 and 74.8 % top-1; 72.2 % after 31.0, 13.3, 2.1 and 2.7 million steps
Paper     Ioffe, Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167, section 4
Departs   one process where the paper trains asynchronously. The paper says by which factors decay
          of the rate, weight decay and the rest change, and not from where: 4 % every 8 epochs and
          the momentum are GoogLeNet's (arXiv:1409.4842), the decay of 1e-4 is ours. No photometric
          distortion in any of them. `inception` and the baseline run for as many steps as they take
          to 72.2 %, x5 and x30 for the 6 million of the paper's ensemble. On MNIST images are grey,
          where the paper has two values, and the rate of 0.5 is ours
"""

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import IMAGENET_IMAGES, Published
from fleetfoot.train.optim.rules import SGD
from fleetfoot.train.optim.schedules import Exponential, Steps
from fleetfoot.train.recipe import Examples, Network, Recipe

BATCH = 32
LR, WEIGHT_DECAY, DECAY_EPOCHS = 0.0015, 1e-4, 8.0
FASTER = 6  # times as fast the rate falls, with all changes
WEAKER = 5  # times the weight decay is weaker


def inception(million_steps: float = 31.0, *, faster: int = 1) -> Recipe:
    """Return the recipe without batch norm: LRN, dropout, a small learning rate.

    The rate falls ``faster`` times as fast as without batch norm.
    """
    epochs = round(million_steps * 1e6 * BATCH / IMAGENET_IMAGES)
    return Recipe(
        epochs=epochs,
        batch=BATCH,
        optimizer=SGD(lr=LR, momentum=0.9, nesterov=False, weight_decay=WEIGHT_DECAY),
        schedule=Exponential(decay_every=DECAY_EPOCHS / epochs / faster, step_factor=0.96),
        examples=Examples(
            augment=Augment(crop="resized", scale=(0.08, 1.0), flip=0.5),
            crop_fraction=0.875,
            label_smoothing=0.0,
        ),
        network=Network(dropout=0.4, options=(("lrn", True),)),
    )


def bn_inception_baseline() -> Recipe:
    """Return the same recipe for the network with batch norms: LRN and dropout stay."""
    return inception(13.3)


def bn_inception_x5(times: float = 5.0) -> Recipe:
    """Return the recipe with all changes and this many times the learning rate."""
    return inception(6.0, faster=FASTER).with_changes(
        lr=LR * times, weight_decay=WEIGHT_DECAY / WEAKER, network=Network(dropout=0.0)
    )


def bn_inception_x30() -> Recipe:
    """Return the recipe with all changes and thirty times the learning rate."""
    return bn_inception_x5(30.0)


def mnist_sigmoid() -> Recipe:
    """Return the recipe of section 4.1: 50,000 steps of 60 images, plain SGD."""
    return Recipe(
        epochs=50,
        batch=60,
        optimizer=SGD(lr=0.5, momentum=0.0),
        schedule=Steps(milestones=()),
        examples=Examples(augment=Augment(crop="none", flip=0.0), label_smoothing=0.0),
    )


PAPER = "Ioffe, Szegedy, ICML 2015, arXiv:1502.03167"
PUBLISHED = {
    recipe.__name__: Published(
        recipe=recipe,
        net=net,
        size=224,
        top1=top1,
        note="one view; the highest accuracy reached",
        paper=PAPER,
    )
    for recipe, net, top1 in (
        (inception, "inception", 72.2),
        (bn_inception_baseline, "bn_inception", 72.7),
        (bn_inception_x5, "bn_inception", 73.0),
        (bn_inception_x30, "bn_inception", 74.8),
    )
} | {
    net: Published(
        recipe=mnist_sigmoid,
        net=net,
        size=28,
        top1=None,
        note="the paper shows a curve",
        paper=PAPER,
        data="MNIST",
        images=60_000,
    )
    for net in ("mnist_sigmoid", "mnist_sigmoid_bn")
}
