"""Distillation: a network learns what a trained one answers, and the labels if asked to.

Paper    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531,
         section 2; the teacher alone, as ReActNet is trained, arXiv:2003.03488, section 4.4
Departs  nowhere
Letters  N batch, C classes
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.data.loader import Batch
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.step import Context, Metrics, Step, accuracy_of, inputs_of


@dataclass(frozen=True)
class Teacher:
    """A trained network, and how it wants its images; None: as the learner does."""

    net: nn.Module
    preprocess: Preprocess | None


def distillation_loss(logits_NC: Tensor, taught_NC: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy of both networks' softened answers, times temperature squared.

    Args:
        logits_NC: of the learner.
        taught_NC: logits of the teacher, which get no gradient.
        temperature: by which both are divided; the factor keeps the size of gradients.
    """
    shares_NC = (taught_NC.detach() / temperature).softmax(dim=1)
    return temperature**2 * F.cross_entropy(logits_NC / temperature, shares_NC)


def as_taught(images: Tensor, seen_by: Normalise, preprocess: Preprocess | None) -> Tensor:
    """Return normalised images (N, channels, H, W) as the teacher wants them: size, mean and std.

    Raises:
        UsageError: it takes images of other channels.
    """
    ours = seen_by.preprocess
    if preprocess is None or preprocess == ours:
        return images
    if preprocess.channels != ours.channels:
        raise UsageError(
            f"method distill: the teacher takes images of {preprocess.channels} channels, the "
            f"network of {ours.channels}"
        )

    def by_channel(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=images.device)[:, None, None]

    pixels = images * by_channel(ours.std) + by_channel(ours.mean)
    if preprocess.size != ours.size:
        # Training images may have yet another size, by the recipe: the ratio is what counts.
        side = max(1, round(images.shape[-1] * preprocess.size / ours.size))
        pixels = F.interpolate(pixels, side, mode="bilinear", antialias=True)
    return seen_by.laid_out((pixels - by_channel(preprocess.mean)) / by_channel(preprocess.std))


def distill_step(load: Callable[[int], Teacher], *, labels: float, temperature: float) -> Step:
    """Return the step of a network that learns from a teacher.

    Args:
        load: returns the teacher of so many classes; called once, at the first step.
        labels: share of the ordinary loss on labels, in 0..1.
        temperature: see `distillation_loss`.
    """
    loaded = functools.cache(load)
    placed: dict[tuple[str, str], nn.Module] = {}  # planning measures both layouts

    def step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        teacher = loaded(context.classes)
        where = str(context.normalise.device), context.normalise.layout
        if where not in placed:
            placed[where] = _placed(teacher.net, context.normalise)
        images, targets = inputs_of(batch, context)
        with torch.no_grad(), context.autocast():
            taught_NC = placed[where](as_taught(images, context.normalise, teacher.preprocess))
        with context.autocast():
            logits_NC = net(images)
        logits_NC = logits_NC.float()
        loss = (1 - labels) * distillation_loss(logits_NC, taught_NC.float(), temperature)
        if labels:
            smoothing = context.recipe.examples.label_smoothing
            loss = loss + labels * F.cross_entropy(
                logits_NC, targets, weight=context.class_weights, label_smoothing=smoothing
            )
        return loss, {"accuracy": accuracy_of(logits_NC, targets)}

    return step


def _placed(net: nn.Module, normalise: Normalise) -> nn.Module:
    """Return the network frozen, for evaluation, on the device and in the layout of the images."""
    net = net.eval().requires_grad_(False).to(normalise.device)
    if normalise.layout == "nhwc":
        net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return net
