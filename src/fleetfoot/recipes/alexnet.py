"""AlexNet on ImageNet, and the four-layer network of its authors on CIFAR-10.

Command   fleetfoot fit IMAGENET --recipe alexnet
          fleetfoot evaluate runs/IMAGENET IMAGENET --crops 10
Cost      0.7 hours on an H100, computed; reading and augmenting the images takes longer
Result    59.3 % top-1 on the validation images of 2012 (one network, ten views)
Paper     Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural
          Networks", NIPS 2012, sections 4 and 5; `cuda_convnet` after the files of cuda-convnet
Departs   one mean for each channel, where the authors take one for each pixel. The authors watched
          the validation error and divided the rate by hand; here four evaluations without a better
          one do. `cuda_convnet` decays all weights alike, its last ten biases learn no faster than
          its weights, and it evaluates with the centre crop
"""

from fleetfoot.data.augment import Augment
from fleetfoot.data.colour_pca import Colours
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import Groups, VelocitySGD
from fleetfoot.train.optim.schedules import Plateau, Steps
from fleetfoot.train.recipe import Checkpoints, Examples, Recipe


def alexnet(colours: Colours = "stored") -> Recipe:
    """Return the recipe of 2012.

    Args:
        colours: noise along the "stored" axes of the author's code, or those "computed" from the
            training images.
    """
    return Recipe(
        epochs=90,
        batch=128,
        optimizer=VelocitySGD(lr=0.01, momentum=0.9, weight_decay=5e-4),
        schedule=Plateau(patience=4, drops=3, step_factor=0.1),
        examples=Examples(
            augment=Augment(crop="inside", flip=0.5, colour_pca=colours),
            centred_input=True,
            crop_fraction=224 / 256,
            label_smoothing=0.0,
        ),
        checkpoints=Checkpoints(evaluate_every=1),
    )


def cuda_convnet() -> Recipe:
    """Return the recipe of the 11 % network: 500 epochs, then ten each at lower rates."""
    return Recipe(
        epochs=520,
        batch=128,
        optimizer=VelocitySGD(lr=1e-3, momentum=0.9, weight_decay=4e-3, groups=Groups(bias_lr=2.0)),
        schedule=Steps(milestones=(500 / 520, 510 / 520), step_factor=0.1),
        examples=Examples(
            augment=Augment(crop="inside", flip=0.5),
            centred_input=True,
            crop_fraction=24 / 32,
            label_smoothing=0.0,
        ),
    )


PAPER = "Krizhevsky et al., NIPS 2012"
PUBLISHED = {
    "alexnet": Published(
        recipe=alexnet,
        net="alexnet_2012",
        size=224,
        top1=59.3,
        note="one network, ten views, validation images of 2012",
        paper=PAPER,
    ),
    "cuda_convnet": Published(
        recipe=cuda_convnet,
        net="cuda_convnet_11",
        size=24,
        top1=89.0,
        note="ten views; the released file",
        paper=PAPER,
        data="CIFAR-10",
        images=50_000,
    ),
}
