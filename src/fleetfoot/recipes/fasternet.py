"""FasterNet on ImageNet: six variants, 192 pixels and at last 224.

Command   fleetfoot fit IMAGENET --recipe fasternet_t0        (t1, t2, s, m, l)
Cost      0.8, 2.1, 4.6, 11.1, 21.3 and 37.8 hours on an H100, computed
Result    71.9, 76.2, 78.9, 81.3, 83.0 and 83.5 % top-1
Paper     Chen et al., "Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks", CVPR
          2023, arXiv:2303.03667, appendix, table 6
Departs   RandAugment is torchvision's: other operations, each of them always done, magnitudes of 30
          for the paper's 10. The first rate of the rise is 1/6000 of the highest (1/12500 for m
          and l), where the paper has 1e-6, and the cosine begins behind the rise
"""

from functools import partial
from typing import NamedTuple

from fleetfoot.data.augment import MOST_MAGNITUDE, Augment, Mix
from fleetfoot.recipes.published import Published
from fleetfoot.train.optim.rules import AdamW, Groups
from fleetfoot.train.optim.schedules import Cosine
from fleetfoot.train.recipe import Examples, Recipe


class Row(NamedTuple):
    """One column of table 6."""

    batch: int
    weight_decay: float
    magnitude: int  # of RandAugment, of 10; 0 for none
    mixup: float
    clip_norm: float | None
    top1: float


TABLE_6 = {
    "t0": Row(4096, 0.005, 0, 0.05, None, 71.9),
    "t1": Row(4096, 0.01, 3, 0.1, None, 76.2),
    "t2": Row(4096, 0.02, 5, 0.1, None, 78.9),
    "s": Row(4096, 0.03, 7, 0.3, None, 81.3),
    "m": Row(2048, 0.05, 7, 0.5, 1.0, 83.0),
    "l": Row(2048, 0.05, 7, 0.7, 0.01, 83.5),
}
EPOCHS, WARMUP_EPOCHS, LAST_EPOCHS = 300, 20, 20
LR_OF_1024, FINAL_LR = 0.001, 1e-5
MAGNITUDES, STD = 10, 0.5  # of the paper's RandAugment


def fasternet(variant: str) -> Recipe:
    """Return the recipe of a variant: "t0", "t1", "t2", "s", "m" or "l"."""
    row = TABLE_6[variant]
    lr = LR_OF_1024 * row.batch / 1024
    scale = MOST_MAGNITUDE // MAGNITUDES
    return Recipe(
        epochs=EPOCHS,
        batch=row.batch,
        optimizer=AdamW(
            lr=lr,
            weight_decay=row.weight_decay,
            clip_norm=row.clip_norm,
            groups=Groups(decay_norms_and_biases=True),
        ),
        schedule=Cosine(warmup=WARMUP_EPOCHS / EPOCHS, final_lr=FINAL_LR / lr, epochwise=True),
        examples=Examples(
            augment=Augment(
                crop="resized",
                scale=(0.08, 1.0),
                flip=0.5,
                rand_augment=row.magnitude * scale or None,
                rand_augment_std=STD * scale,
                mix=Mix(mixup=row.mixup, cutmix=1.0),
            ),
            sizes=((0.0, 192), (1 - LAST_EPOCHS / EPOCHS, 224)),
            crop_fraction=0.9,
            label_smoothing=0.1,
        ),
    )


PUBLISHED = {
    f"fasternet_{variant}": Published(
        recipe=partial(fasternet, variant),
        net=f"fasternet_{variant}",
        size=224,
        top1=row.top1,
        note="one view; the best epoch on the validation images",
        paper="Chen et al., CVPR 2023, arXiv:2303.03667",
    )
    for variant, row in TABLE_6.items()
}
