"""Batch Augment: several copies of every image in one step, each augmented for itself.

Paper    Hoffer et al., "Augment Your Batch", CVPR 2020, section 3
Departs  what the loader did to an image is common to its copies; the copies are shifted and
         mirrored apart, and whatever transforms the recipe has (cutout, ...) see each copy
Letters  N images of the batch, M copies, C channels, H height, W width
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, Metrics, Step


def copies_step(step: Step, *, copies: int, pad: int, flip: float, average: bool) -> Step:
    """Return a step on every image of the batch ``copies`` times; the loss is the mean over all.

    Args:
        step: what is computed of the larger batch.
        copies: of each image.
        pad: each copy is shifted by up to this many pixels either way, its borders reflected.
        flip: probability that a copy is mirrored left to right.
        average: average the outputs for an image's copies before the loss.
    """

    def transform(images: Tensor, generator: torch.Generator) -> Tensor:
        return mirrored(shifted(images, pad, generator), flip, generator)

    def on_copies(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        parts = (batch.images, batch.labels, batch.indices)
        larger = Batch(*(part.repeat(copies, *(1,) * (part.ndim - 1)) for part in parts))
        context = replace(context, transforms=(transform, *context.transforms))
        return step(_Averaged(net, copies) if average else net, larger, context)

    return on_copies


class _Averaged(nn.Module):
    """A network whose answer for an image is the mean over its copies in the batch."""

    def __init__(self, net: nn.Module, copies: int) -> None:
        super().__init__()
        self.net = net
        self.copies = copies

    def forward(self, x: Tensor) -> Tensor:
        logits = self.net(x)  # (M N, C), or (2, M N, C) of two networks
        mean = logits.unflatten(-2, (self.copies, -1)).mean(dim=-3)
        return torch.cat([mean] * self.copies, dim=-2)


def shifted(images: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    """Return each image (N, C, H, W) shifted by up to ``pad`` pixels, its borders reflected."""
    count, _, height, width = images.shape
    pad = min(pad, height - 1, width - 1)
    if pad <= 0:
        return images
    moves_N2 = torch.randint(2 * pad + 1, (count, 2), generator=generator).to(images.device)
    padded = F.pad(images, (pad,) * 4, mode="reflect")
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # views, at every place
    images_N = torch.arange(count, device=images.device)
    return windows[images_N, :, moves_N2[:, 0], moves_N2[:, 1]]


def mirrored(images: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Return the images (N, C, H, W), each mirrored left to right with a probability."""
    if chance == 0.0:
        return images
    chosen_N = (torch.rand(len(images), generator=generator) < chance).to(images.device)
    return torch.where(chosen_N[:, None, None, None], images.flip(3), images)
