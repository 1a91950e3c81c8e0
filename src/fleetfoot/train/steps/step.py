"""What one training step computes: the seam for methods with other losses or more networks.

A step is ``step(net, batch, context) -> (loss, metrics)``. It computes, and changes nothing; the
loop (`take_steps`) does the backward pass and the update. `supervised_step` is the ordinary one.

Letters  N batch, C classes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.seeds import torch_rng
from fleetfoot.data.loader import Batch
from fleetfoot.data.mix import mix_batch
from fleetfoot.train.inputs import Normalise, autocast
from fleetfoot.train.method_word import MethodWord
from fleetfoot.train.optim.stretch import Stretch, planned_step
from fleetfoot.train.process.distributed import this_process
from fleetfoot.train.recipe import Recipe

Metrics = Mapping[str, Tensor]


@dataclass(frozen=True)
class Context:
    """What a step may know besides the network and the batch.

    Attributes:
        recipe: the recipe.
        step: number of steps taken before this one.
        classes: number of classes.
        normalise: uint8 images to network input, on the device and in the layout of the plan.
        precision: "float32", or "bfloat16" for autocast.
        class_weights: factor on the loss by class, (C,), or None.
        total_steps: steps of the whole run, as planned.
        steps_per_epoch: steps of one pass over the training images.
        warmup_steps: steps of rising learning rate.
        transforms: what is done to normalised training images, in this order, before they are
            mixed.
        stretch: how the schedule was stretched, if it was.
    """

    recipe: Recipe
    step: int
    classes: int
    normalise: Normalise
    precision: str
    class_weights: Tensor | None = None
    total_steps: int = 1
    steps_per_epoch: int = 1
    warmup_steps: int = 0
    transforms: "tuple[Transform, ...]" = ()
    stretch: Stretch | None = None

    @property
    def epoch(self) -> int:
        """The pass over the training images that this step belongs to, counted from 0."""
        return self.step // self.steps_per_epoch

    @property
    def steps_left(self) -> int:
        """Steps until the end of the run, this one included."""
        return (self.total_steps if self.stretch is None else self.stretch.total) - self.step

    @property
    def progress(self) -> float:
        """The share of the run that is done, from 0 to below 1."""
        return planned_step(self.step, self.stretch, planned=self.total_steps) / self.total_steps

    def autocast(self) -> torch.autocast:
        """Return the context in which the network is to be called."""
        return autocast(self.normalise.device, self.precision)


Step = Callable[[nn.Module, Batch, Context], tuple[Tensor, Metrics]]

# From normalised images (N, C, H, W) to images of that shape; draws come from the generator, which
# is a function of (seed, step). The images handed in are not changed.
Transform = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class StepWithMethods:
    """A step that carries out the methods of a recipe, whose words it keeps."""

    compute: Step
    methods: tuple[MethodWord, ...]

    def __call__(self, net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        """Compute loss and metrics."""
        return self.compute(net, batch, context)


def check_methods(step: Step, recipe: Recipe) -> None:
    """Check that a step carries out the methods of a recipe, and no others.

    Raises:
        UsageError: it does not.
    """
    carried = step.methods if isinstance(step, StepWithMethods) else ()
    if carried != recipe.methods:
        raise UsageError(
            f"the recipe has the methods {_listed(recipe.methods)}, the step carries out "
            f"{_listed(carried)}: give the step of `recipes.method.step_of(recipe)`"
        )


def _listed(words: tuple[MethodWord, ...]) -> str:
    return ", ".join(map(str, words)) or "none"


def supervised_step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
    """Cross-entropy with label smoothing, class weights, and mixup and cutmix if asked for."""
    images, targets = inputs_of(batch, context)
    with context.autocast():
        logits_NC = net(images)
    logits_NC = logits_NC.float()
    loss = F.cross_entropy(
        logits_NC,
        targets,
        weight=context.class_weights,
        label_smoothing=context.recipe.examples.label_smoothing,
    )
    return loss, {"accuracy": accuracy_of(logits_NC, targets)}


def accuracy_of(logits_NC: Tensor, targets: Tensor) -> Tensor:
    """Return the share of images whose largest logit is that of their label, or largest share."""
    labels = targets if targets.ndim == 1 else targets.argmax(dim=1)
    return (logits_NC.detach().argmax(dim=1) == labels).float().mean()


def inputs_of(batch: Batch, context: Context) -> tuple[Tensor, Tensor]:
    """Return the batch as network input and targets: labels (N,), or shares (N, C) if mixed."""
    images, rank = context.normalise(batch.images), this_process().rank
    for place, transform in enumerate(context.transforms):
        key = (context.recipe.seed, "transform", place, context.step)
        images = transform(images, torch_rng(*key, *([rank] if rank else [])))
    labels = batch.labels.to(images.device, non_blocking=True)
    mix = context.recipe.augment.mix
    if not (mix.mixup or mix.cutmix or mix.erasing):
        return context.normalise.laid_out(images), labels
    targets = F.one_hot(labels, context.classes).float()
    words = {"seed": context.recipe.seed, "step": context.step, "rank": rank}
    images, targets = mix_batch(images, targets, mix, **words)
    mixed = bool(mix.mixup or mix.cutmix)
    return context.normalise.laid_out(images), targets if mixed else labels


def in_context(step: Step, change: Callable[[Context], Context]) -> Step:
    """Return ``step``, for which every context is changed."""
    return lambda net, batch, context: step(net, batch, change(context))


def preceded(step: Step, act: Callable[[nn.Module, Context], None]) -> Step:
    """Return ``step``, before which something is done to the network."""

    def computed(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        act(net, context)
        return step(net, batch, context)

    return computed
