"""EfficientNet B0 to B7 on ImageNet.

Command   fleetfoot fit IMAGENET --recipe efficientnet_b0        (b1 to b7)
Cost      1.5, 2.6, 3.8, 6.9, 16.6, 38.8, 72.0 and 142.6 hours on an H100, computed
Result    77.1, 79.1, 80.1, 81.6, 82.9, 83.6, 84.0 and 84.3 % top-1
Paper     Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
          2019, arXiv:1905.11946, section 5; the numbers per batch are those of its code
Departs   nowhere known: the networks bring dropout and stochastic depth, AutoAugment is
          torchvision's. Where images are held out for validation is a matter of the data
"""

from fleetfoot.data.augment import Augment
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import Groups, RMSProp
from fleetfoot.train.optim.schedules import Exponential
from fleetfoot.train.recipe import Checkpoints, Examples, Recipe

EPOCHS, WARMUP_EPOCHS, DECAY_EPOCHS = 350, 5, 2.4
LR_OF_256 = 0.016
TOP1 = (77.1, 79.1, 80.1, 81.6, 82.9, 83.6, 84.0, 84.3)
SIZES = (224, 240, 260, 300, 380, 456, 528, 600)


def efficientnet(batch: int = 2048) -> Recipe:
    """Return the recipe; the learning rate follows the batch, 0.016 for 256 images."""
    return Recipe(
        epochs=EPOCHS,
        batch=batch,
        optimizer=RMSProp(
            lr=LR_OF_256 * batch / 256,
            momentum=0.9,
            beta2=0.9,
            weight_decay=1e-5,
            groups=Groups(decay_biases=True),
        ),
        schedule=Exponential(
            decay_every=DECAY_EPOCHS / EPOCHS, step_factor=0.97, warmup=WARMUP_EPOCHS / EPOCHS
        ),
        examples=Examples(
            augment=Augment(crop="resized", scale=(0.08, 1.0), flip=0.5, auto_augment=True),
            crop_fraction=0.875,
            label_smoothing=0.1,
        ),
        checkpoints=Checkpoints(ema=0.9999),
    )


PUBLISHED = {
    f"efficientnet_b{number}": Published(
        recipe=efficientnet,
        net=f"efficientnet_b{number}",
        size=size,
        top1=top1,
        note="one view, averaged weights",
        paper="Tan, Le, ICML 2019, arXiv:1905.11946",
    )
    for number, (size, top1) in enumerate(zip(SIZES, TOP1))
}
