"""Binary residual networks and VGG-Small on CIFAR-10: FDA's and ReCU's recipes.

Command   fleetfoot fit cifar10:DIR --recipe fda_resnet20        (bnn_resnet20)
          fleetfoot fit cifar10:DIR --recipe recu_resnet20       (rep_recu_resnet20, recu_resnet18,
          recu_vgg_small)
Cost      400 epochs of CIFAR-10 (FDA), 600 (ReCU)
Result    86.20 % (fda_resnet20), 84.44 % (bnn_resnet20), 87.50 % (recu_resnet20), 88.97 %
          (rep_recu_resnet20), 92.8 % (recu_resnet18), 92.2 % (recu_vgg_small)
Paper     Xu et al., FDA-BNN, NeurIPS 2021, arXiv:2103.00841; Xu et al., ReCU, ICCV 2021,
          arXiv:2103.12369, and the README of its code; Shi et al., 2022, arXiv:2207.09049
Departs   FDA's paper names no schedule: half a cosine, as ReCU's. Images are centred and scaled by
          channel of the data set, where both codes take ImageNet's figures
"""

from functools import partial

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import SGD, Groups
from fleetfoot.train.optim.schedules import Cosine
from fleetfoot.train.recipe import Examples, Recipe


def binary_cifar(epochs: int, batch: int, weight_decay: float, *, warmup_epochs: int) -> Recipe:
    """Return a recipe: SGD from 0.1 by half a cosine, images shifted and mirrored."""
    return Recipe(
        epochs=epochs,
        batch=batch,
        optimizer=SGD(
            lr=0.1,
            nesterov=False,
            weight_decay=weight_decay,
            groups=Groups(decay_norms_and_biases=True),
        ),
        schedule=Cosine(warmup=warmup_epochs / epochs),
        examples=Examples(augment=Augment(crop="pad", pad=4, flip=0.5), label_smoothing=0.0),
    )


fda = partial(binary_cifar, 400, 128, 1e-4, warmup_epochs=0)
recu = partial(binary_cifar, 600, 256, 5e-4, warmup_epochs=5)
FDA = "Xu et al., NeurIPS 2021, arXiv:2103.00841"
RECU = "Xu et al., ICCV 2021, arXiv:2103.12369"
PUBLISHED = {
    name: Published(
        recipe=recipe,
        net=name,
        size=32,
        top1=top1,
        note=note,
        paper=paper,
        data="CIFAR-10",
        images=50_000,
    )
    for name, recipe, top1, note, paper in (
        ("bnn_resnet20", fda, 84.44, "the paper's plain estimator", FDA),
        ("fda_resnet20", fda, 86.20, "with the noise adaptation module, left out here", FDA),
        ("recu_resnet20", recu, 87.50, "the authors' repository", RECU),
        (
            "rep_recu_resnet20",
            recu,
            88.97,
            "the paper does not say how often maps are repeated",
            "Shi et al., 2022, arXiv:2207.09049",
        ),
        ("recu_resnet18", recu, 92.8, "the authors' repository, other shortcuts", RECU),
        ("recu_vgg_small", recu, 92.2, "the authors' repository", RECU),
    )
}
