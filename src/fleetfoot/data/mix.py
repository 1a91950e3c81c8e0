"""Combining the images of a batch: mixup, cutmix and random erasing, by torchvision.

Randomness is a function of (seed, step, rank). Works on normalised images, on whatever device they
are; an erased rectangle becomes 0, which is the mean colour.

Papers   mixup: Zhang et al., 2017, arXiv:1710.09412; cutmix: Yun et al., 2019, arXiv:1905.04899;
         random erasing: Zhong et al., 2017, arXiv:1708.04896
Letters  N batch, K classes, C channels, H height, W width
"""

from typing import Any

import torch
from torch import Tensor

from fleetfoot.core.errors import require
from fleetfoot.core.seeds import rng
from fleetfoot.data.augment import Mix


def mix_batch(
    images: Tensor, targets: Tensor, mix: Mix, *, seed: int, step: int, rank: int = 0
) -> tuple[Tensor, Tensor]:
    """Return a batch after mixup or cutmix (one of them, by chance, where both are on) and erasing.

    Args:
        images: float, (N, C, H, W).
        targets: class probabilities, float, (N, K).
        mix: what to do.
        seed: of the run.
        step: counted over the whole run.
        rank: of the process whose share of the batch this is.

    Returns:
        Images and targets of the same shapes; those handed in are not changed.

    Raises:
        MissingError: torchvision is absent or broken, and something is to be mixed.
    """
    if not (mix.mixup or mix.cutmix or mix.erasing):
        return images, targets
    v2: Any = require("torchvision.transforms.v2", extra="train")
    generator = rng(seed, "mix", step, *([rank] if rank else []))
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
        torch.default_generator.manual_seed(int(generator.integers(2**62)))
        kinds = ((v2.MixUp, mix.mixup), (v2.CutMix, mix.cutmix))
        mixers = [make(alpha=alpha) for make, alpha in kinds if alpha]
        if mixers and len(images) > 1 and generator.random() < mix.mix_probability:
            mixer = mixers[int(generator.integers(len(mixers)))]
            images, targets = mixer(images, targets)
        if mix.erasing:
            eraser = v2.RandomErasing(p=mix.erasing)
            images = torch.stack([eraser(image) for image in images])
    return images, targets
