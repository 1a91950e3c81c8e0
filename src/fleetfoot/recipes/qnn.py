"""QNN's binary networks on MNIST and CIFAR-10.

Command   fleetfoot fit mnist:DIR --recipe qnn_mnist         (qnn_cifar10: cifar10:DIR)
Cost      1000 epochs of MNIST, 500 of CIFAR-10
Result    99.04 % (qnn_mnist), 88.60 % (qnn_cifar10) top-1, the paper's Theano runs
Paper     Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, section 5; settings
          from the authors' Theano scripts
Departs   images are centred and scaled by channel, where the paper maps them to [-1, 1]. Dropout in
          front of every layer of the perceptron is left out; their Torch run has none either
"""

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import AdamW
from fleetfoot.train.optim.schedules import Exponential
from fleetfoot.train.recipe import Examples, Recipe

LAST_LR = 3e-7
EVERY = 0.002  # share of the run after which the rate falls


def qnn(epochs: int, batch: int, lr: float) -> Recipe:
    """Return a recipe: Adam, its rate falling evenly to `LAST_LR`, the squared hinge."""
    return Recipe(
        epochs=epochs,
        batch=batch,
        optimizer=AdamW(lr=lr, weight_decay=0.0),
        schedule=Exponential(decay_every=EVERY, step_factor=(LAST_LR / lr) ** EVERY),
        examples=Examples(augment=Augment(crop="none", flip=0.0), label_smoothing=0.0),
        methods=methods("hinge"),
    )


def qnn_mnist() -> Recipe:
    """Return the recipe for MNIST: 1000 epochs."""
    return qnn(1000, 100, 3e-3)


def qnn_cifar10() -> Recipe:
    """Return the recipe for CIFAR-10: 500 epochs without augmentation."""
    return qnn(500, 50, 1e-3)


PAPER = "Hubara et al., 2016, arXiv:1609.07061"
PUBLISHED = {
    "qnn_mnist": Published(
        recipe=qnn_mnist,
        net="bnn_mnist_4096",
        size=28,
        top1=99.04,
        note="with dropout in front of every layer; best epoch by validation",
        paper=PAPER,
        data="MNIST",
        images=50_000,
    ),
    "qnn_cifar10": Published(
        recipe=qnn_cifar10,
        net="bnn_cifar10",
        size=32,
        top1=88.60,
        note="45,000 images; best epoch by validation",
        paper=PAPER,
        data="CIFAR-10",
        images=45_000,
    ),
}
