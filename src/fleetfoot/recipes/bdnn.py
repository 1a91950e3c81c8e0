"""BDNN's binary networks on MNIST and CIFAR-10: back-propagation of bits, AdaMax by shifts.

Command   fleetfoot fit mnist:DIR --recipe bdnn_mnist        (bdnn_cifar10: cifar10:DIR)
Cost      200 epochs of MNIST, 500 of CIFAR-10
Result    98.60 % (bdnn_mnist), 89.85 % (bdnn_cifar10) top-1
Paper     Hubara, Soudry, El-Yaniv, 2016, arXiv:1602.02505; settings from the Torch scripts,
          figures as "Binarized Neural Networks", arXiv:1602.02830, lists them for Torch
Departs   the scripts never end: ten halvings of the rate here. Norms are ordinary ones, which the
          authors call nearly as good as those by shifts. Images of CIFAR-10 are centred and scaled
          by channel, and not whitened; of its parameters those of norms are not clipped
"""

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import Groups, ShiftAdaMax
from fleetfoot.train.optim.schedules import Steps
from fleetfoot.train.recipe import Examples, Recipe

HALVINGS = tuple(number / 10 for number in range(1, 10))


def bdnn(epochs: int, batch: int, groups: Groups) -> Recipe:
    """Return a recipe: neurons are drawn, the rate falls from 2^-6 by half after every tenth."""
    return Recipe(
        epochs=epochs,
        batch=batch,
        optimizer=ShiftAdaMax(lr=2**-6, momentum=0.9, beta2=0.999, groups=groups),
        schedule=Steps(milestones=HALVINGS, step_factor=0.5, epochwise=True),
        examples=Examples(augment=Augment(crop="none", flip=0.0), label_smoothing=0.0),
        methods=methods("hinge", "binarised_backprop"),
    )


def bdnn_mnist() -> Recipe:
    """Return the recipe for MNIST: the rate falls every 20 epochs."""
    return bdnn(200, 100, Groups(glorot="exact"))


def bdnn_cifar10() -> Recipe:
    """Return the recipe for CIFAR-10: the rate falls every 50 epochs, without augmentation."""
    return bdnn(500, 200, Groups(glorot="power_of_two"))


PAPER = "Hubara et al., 2016, arXiv:1602.02505"
PUBLISHED = {
    "bdnn_mnist": Published(
        recipe=bdnn_mnist,
        net="bnn_mnist",
        size=28,
        top1=98.60,
        note="with norms by shifts; best epoch by validation",
        paper=PAPER,
        data="MNIST",
        images=50_000,
    ),
    "bdnn_cifar10": Published(
        recipe=bdnn_cifar10,
        net="bnn_cifar10",
        size=32,
        top1=89.85,
        note="whitened images, norms by shifts; best epoch by validation",
        paper=PAPER,
        data="CIFAR-10",
        images=45_000,
    ),
}
