"""All-CNN on CIFAR-10 and on ImageNet.

Command   fleetfoot fit cifar10:DIR --recipe allcnn_c        (allcnn_c_moved: shifts and flips)
          fleetfoot fit IMAGENET --recipe allcnn_imagenet
Cost      minutes (allcnn_c) and 0.3 hours (allcnn_imagenet) on an H100, computed
Result    90.9 % (allcnn_c), 92.8 % (allcnn_c_moved), 58.8 % (allcnn_imagenet) top-1
Paper     Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR 2015
          workshop, arXiv:1412.6806, sections 3 and 4
Departs   images are centred and scaled by channel: no contrast normalisation, no whitening. The
          paper takes the best of four learning rates for each network and does not list them: 0.05
          and the batch of 256 are those of a public re-implementation, the rise over the first
          hundredth of the run is ours, against a collapse that others report. The random crops and
          flips of ImageNet are ours: the paper names none
"""

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import SGD
from fleetfoot.train.optim.schedules import Steps
from fleetfoot.train.recipe import Examples, Recipe

STILL = Augment(crop="none", flip=0.0)
MOVED = Augment(crop="pad", pad=5, flip=0.5)


def allcnn(augment: Augment = STILL) -> Recipe:
    """Return the recipe for CIFAR: 350 epochs."""
    return Recipe(
        epochs=350,
        batch=256,
        optimizer=SGD(lr=0.05, momentum=0.9, nesterov=False, weight_decay=1e-3),
        schedule=Steps(milestones=(200 / 350, 250 / 350, 300 / 350), step_factor=0.1, warmup=0.01),
        examples=Examples(augment=augment, label_smoothing=0.0),
    )


def allcnn_moved() -> Recipe:
    """Return the recipe for CIFAR with shifts of up to 5 pixels, and flips."""
    return allcnn(MOVED)


def allcnn_imagenet() -> Recipe:
    """Return the recipe for ImageNet: 450,000 steps of 64 images."""
    return Recipe(
        epochs=22,
        batch=64,
        optimizer=SGD(lr=0.01, momentum=0.9, nesterov=False, weight_decay=5e-4),
        schedule=Steps(milestones=(200 / 450, 400 / 450), step_factor=0.1),
        examples=Examples(
            augment=Augment(crop="inside", flip=0.5),
            crop_fraction=224 / 256,
            label_smoothing=0.0,
        ),
    )


PAPER = "Springenberg et al., ICLR 2015 workshop, arXiv:1412.6806"
PUBLISHED = {
    name: Published(
        recipe=recipe,
        net="allcnn_c",
        size=32,
        top1=top1,
        note=f"whitened images; the best of four learning rates on the test images{doubt}",
        paper=PAPER,
        data="CIFAR-10",
        images=50_000,
    )
    for name, recipe, top1, doubt in (
        ("allcnn_c", allcnn, 90.92, ""),
        ("allcnn_c_moved", allcnn_moved, 92.75, "; from memory"),
    )
} | {
    "allcnn_imagenet": Published(
        recipe=allcnn_imagenet,
        net="allcnn_b_imagenet",
        size=224,
        top1=58.8,
        note="centre crop; the network's layers are not confirmed",
        paper=PAPER,
    )
}
