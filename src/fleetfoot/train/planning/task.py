"""What planning measures: steps of a copy of the network, in one way or another."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from fleetfoot.data.loader import Batch
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.train.fused.fused_view import view_of
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.optim.optimizers import set_lr
from fleetfoot.train.planning.ways import Way
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context, Step, supervised_step
from fleetfoot.train.steps.take_steps import take_step
from fleetfoot.train.train_state import TrainState, prepare


@dataclass(frozen=True)
class Trial:
    """A copy of the network that takes steps at a learning rate of 0."""

    state: TrainState
    context: Context
    step: Step

    def train(self, batch: Batch) -> None:
        """Take a step."""
        take_step(self.state, batch, self.context, step=self.step)

    @torch.no_grad()
    def answer(self, batch: Batch) -> None:
        """Compute the network alone, in the mode that it is in."""
        with self.context.autocast():
            self.state.net(self.context.normalise(batch.images))


@dataclass(frozen=True, kw_only=True)
class Task:
    """What will be trained: see `make_plan`, which has the same words."""

    net: nn.Module
    recipe: Recipe
    preprocess: Preprocess
    classes: int
    device: str
    step: Step = supervised_step

    def trial(self, way: Way) -> Trial:
        """Return what takes its steps in one way, halfway through a long run.

        What rises over a run, or is done only at its end, takes there what it takes on average.
        """
        own = prepare(copy.deepcopy(self.net), self.recipe, layout=way.layout, device=self.device)
        state = TrainState.of(own, self.recipe)
        state.model = view_of(own, way.kernels)
        set_lr(state.optimizer, 0.0)
        normalise = Normalise(self.preprocess, layout=way.layout, device=torch.device(self.device))
        context = Context(
            self.recipe,
            5000,
            self.classes,
            normalise,
            way.precision,
            total_steps=10_000,
            steps_per_epoch=100,
        )
        return Trial(state, context, self.step)

    def noise(self, most: int) -> Batch:
        """Return a batch of noise, of at most so many images."""
        generator = torch.Generator().manual_seed(0)
        count, size = min(self.recipe.batch, most), self.preprocess.size
        shape = (count, size, size, self.preprocess.channels)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        labels = torch.randint(0, self.classes, (count,), generator=generator)
        return Batch(images, labels, torch.arange(count))
