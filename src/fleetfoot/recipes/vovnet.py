"""VoVNet on ImageNet, and one-shot aggregation against dense connections on CIFAR-10.

Command   fleetfoot fit IMAGENET --recipe vovnet39        (vovnet27_slim, vovnet57)
          fleetfoot fit cifar10:DIR --recipe osa_cifar_5x43        (osa_cifar_12x20, densenet40)
Cost      2.8 (vovnet27_slim), 6.9 (vovnet39) and 8.7 (vovnet57) hours on an H100, computed
Result    76.8 % (vovnet39) and 77.7 % (vovnet57) top-1, by the authors' repository
          94.6 % (osa_cifar_5x43), 93.6 % (osa_cifar_12x20), 94.8 % (densenet40)
Paper     Lee et al., "An Energy and GPU-Computation Efficient Backbone Network for Real-Time Object
          Detection", CVPRW 2019, arXiv:1904.09730, section 3; the recipe of ImageNet is that of the
          authors' repository, and so are its two networks, with another stem and shortcuts; that of
          CIFAR-10 is DenseNet's (Huang et al., arXiv:1608.06993): the paper names no other
"""

from functools import partial

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import SGD, Groups
from fleetfoot.train.optim.schedules import Steps
from fleetfoot.train.recipe import Examples, Network, Recipe

ALL_DECAYED = Groups(decay_norms_and_biases=True)


def vovnet(*, shortcut: bool = False) -> Recipe:
    """Return the recipe for ImageNet; with shortcuts around modules, as the repository has them."""
    return Recipe(
        epochs=90,
        batch=256,
        optimizer=SGD(lr=0.1, momentum=0.9, nesterov=False, weight_decay=1e-4, groups=ALL_DECAYED),
        schedule=Steps(milestones=(1 / 3, 2 / 3), step_factor=0.1),
        examples=Examples(
            augment=Augment(crop="resized", scale=(0.08, 1.0), flip=0.5),
            crop_fraction=224 / 256,
            label_smoothing=0.0,
        ),
        network=Network(options=(("shortcut", True),) if shortcut else ()),
    )


def osa_cifar() -> Recipe:
    """Return the recipe for CIFAR-10."""
    return Recipe(
        epochs=300,
        batch=64,
        optimizer=SGD(lr=0.1, momentum=0.9, weight_decay=1e-4, groups=ALL_DECAYED),
        schedule=Steps(milestones=(0.5, 0.75), step_factor=0.1),
        examples=Examples(augment=Augment(crop="pad", pad=4, flip=0.5), label_smoothing=0.0),
    )


PAPER = "Lee et al., CVPRW 2019, arXiv:1904.09730"
PUBLISHED = {
    name: Published(
        recipe=partial(vovnet, shortcut=shortcut),
        net=net,
        size=224,
        top1=top1,
        note=note,
        paper=PAPER,
    )
    for name, net, shortcut, top1, note in (
        ("vovnet27_slim", "vovnet27_slim", False, None, "the paper gives no figure on ImageNet"),
        ("vovnet39", "vovnet39a", True, 76.8, "one view; the authors' repository"),
        ("vovnet57", "vovnet57a", True, 77.7, "one view; the authors' repository"),
    )
} | {
    name: Published(
        recipe=osa_cifar,
        net=name,
        size=32,
        top1=top1,
        note="last epoch",
        paper=PAPER,
        data="CIFAR-10",
        images=50_000,
    )
    for name, top1 in (("osa_cifar_5x43", 94.56), ("osa_cifar_12x20", 93.6), ("densenet40", 94.76))
}
