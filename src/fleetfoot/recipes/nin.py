"""Network In Network on small images.

Command   fleetfoot fit cifar10:DIR --recipe nin_cifar10        (nin_cifar10_moved: with flips)
          fleetfoot fit mnist:DIR --recipe nin_mnist
Cost      minutes on an H100
Result    89.6 % (nin_cifar10), 91.2 % (nin_cifar10_moved), 99.5 % (nin_mnist)
Paper     Lin, Chen, Yan, "Network In Network", ICLR 2014, arXiv:1312.4400; rates, decay and loss
          factors are those of the authors' released files, in units of the plain loss
Departs   images are centred and scaled by channel: no contrast normalisation, no whitening. The
          rate falls when validation, not training, stalls. The last layer's ten biases learn no
          faster than its weights. Neither paper nor files give the epochs: 200 are ours
"""

from functools import partial

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import Groups, VelocitySGD
from fleetfoot.train.optim.schedules import Plateau
from fleetfoot.train.recipe import Checkpoints, Examples, Recipe

EPOCHS = 200
MOVED = Augment(crop="pad", pad=4, flip=0.5)
STILL = Augment(crop="none", flip=0.0)


def nin(augment: Augment = STILL) -> Recipe:
    """Return the recipe for CIFAR-10, SVHN and MNIST; the last layer learns ten times slower."""
    return Recipe(
        epochs=EPOCHS,
        batch=128,
        optimizer=VelocitySGD(
            lr=0.01,
            momentum=0.9,
            weight_decay=1e-4,
            groups=Groups(body_lr=10.0, bias_lr=2.0),
        ),
        schedule=Plateau(patience=10, drops=2, step_factor=0.1),
        examples=Examples(augment=augment, label_smoothing=0.0),
        checkpoints=Checkpoints(evaluate_every=1),
    )


def nin_cifar100() -> Recipe:
    """Return the recipe for CIFAR-100: one rate for all layers, another decay."""
    return nin().with_changes(lr=0.02, body_lr=1.0, weight_decay=5e-4)


PUBLISHED = {
    name: Published(
        recipe=recipe,
        net=net,
        size=size,
        top1=top1,
        note="whitened images" if data != "MNIST" else "no augmentation",
        paper="Lin et al., ICLR 2014, arXiv:1312.4400",
        data=data,
        images=images,
    )
    for name, recipe, net, size, top1, data, images in (
        ("nin_cifar10", nin, "nin_cifar10", 32, 89.59, "CIFAR-10", 50_000),
        ("nin_cifar10_moved", partial(nin, MOVED), "nin_cifar10", 32, 91.19, "CIFAR-10", 50_000),
        ("nin_cifar100", nin_cifar100, "nin_cifar100", 32, 64.32, "CIFAR-100", 50_000),
        ("nin_mnist", nin, "nin_mnist", 28, 99.53, "MNIST", 60_000),
    )
}
