"""What changes while a network is trained, and how all of it is saved and comes back."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fleetfoot.core.errors import DataError, first_line
from fleetfoot.ops.annealed import Annealed
from fleetfoot.ops.masked import MaskedConv2d, MaskedLinear, masked_layers
from fleetfoot.train.optim.ema import Ema
from fleetfoot.train.optim.optimizers import in_classifier, make_optimizer
from fleetfoot.train.optim.stretch import Stretch
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.saved_state import SavedState, random_states, random_tensors, restore_random

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass
class Progress:
    """The plain values among what changes; all of them are saved.

    Attributes:
        step: steps taken.
        seconds: time spent in earlier processes of this run.
        loss_sum, accuracy_sum, images: over the current epoch, weighted by images.
        best_top1, best_step, best_epoch: best validation accuracy so far, and when (ties: the
            later one).
        history: the "epoch" lines of metrics.jsonl.
        stretch: how the schedule was stretched, if it was.
        epoch_share: the share of the run that was done when the epoch began, which decides the size
            of its images; None in states of before.
    """

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    accuracy_sum: float = 0.0
    images: int = 0
    best_top1: float = -1.0
    best_step: int = 0
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    stretch: Stretch | None = None
    epoch_share: float | None = None

    def __post_init__(self) -> None:
        if self.stretch is not None:
            self.stretch = Stretch(*self.stretch)  # from JSON

    def ends_at(self, planned: int) -> int:
        """Return the steps of the whole run, of which so many were planned."""
        return planned if self.stretch is None else self.stretch.total

    def is_stale(self, epochs: int | None) -> bool:
        """Return whether the best evaluation lies this many epochs back; None never does."""
        if epochs is None or not self.history:
            return False
        return self.history[-1]["epoch"] - self.best_epoch >= epochs


@dataclass
class TrainState:
    """A network in training.

    Attributes:
        net: the network itself.
        model: what is called in training: `net`, or its wrapping for several processes.
        optimizer: over the parameters of `net`.
        ema: the averaged weights, if any.
        best: parameters and buffers at the best evaluation, by name; kept only without `ema`.
        progress: counters.
    """

    net: nn.Module
    model: nn.Module
    optimizer: Optimizer
    ema: Ema | None
    best: dict[str, Tensor] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    @cached_property
    def annealed(self) -> list[Annealed]:
        """The layers of `net` that hear how far the training is; looked up once."""
        return [module for module in self.net.modules() if isinstance(module, Annealed)]

    @cached_property
    def masked(self) -> list[MaskedConv2d | MaskedLinear]:
        """The layers of `net` with a mask; likewise."""
        return list(masked_layers(self.net).values())

    @classmethod
    def of(cls, net: nn.Module, recipe: Recipe) -> "TrainState":
        """Return a state at step 0."""
        ema = None if recipe.checkpoints.ema is None else Ema(net, decay=recipe.checkpoints.ema)
        return cls(net, net, make_optimizer(net, recipe.optimizer), ema)

    def is_finite(self) -> bool:
        """Return whether every parameter and floating-point buffer holds numbers only."""
        tensors = [t for t in _tensors(self.net).values() if t.is_floating_point() and t.numel()]
        peaks = [tensor.detach().abs().max().float() for tensor in tensors]
        return not peaks or bool(torch.isfinite(torch.stack(peaks)).all())

    def keep_best(self) -> None:
        """Remember the weights as they are now."""
        self.best = {name: t.detach().clone() for name, t in _tensors(self.net).items()}

    @torch.no_grad()
    def choose_weights(self) -> None:
        """Leave `net` with the weights to deploy: the average if there is one, else the best."""
        chosen = _tensors(self.ema.net) if self.ema is not None else self.best
        for name, tensor in _tensors(self.net).items():
            if name in chosen:
                tensor.copy_(chosen[name])

    def to_saved(self, *, scalars: dict[str, Any]) -> SavedState:
        """Return all of it; the tensors are the live ones, to be saved before the next step."""
        tensors = {f"net.{name}": t for name, t in _tensors(self.net).items()}
        if self.ema is not None:
            tensors |= {f"ema.{name}": t for name, t in _tensors(self.ema.net).items()}
        tensors |= {f"best.{name}": t for name, t in self.best.items()}
        for index, parameter in enumerate(_optimized(self.optimizer)):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
        return SavedState(
            step=self.progress.step,
            tensors=tensors | random_tensors(),
            scalars={"progress": vars(self.progress), "random": random_states()} | scalars,
        )

    def restore(self, saved: SavedState) -> None:
        """Become what the state was saved from.

        Raises:
            DataError: it was saved from another network or recipe, or is damaged.
        """
        _restore(_tensors(self.net), saved.tensors, prefix="net.")
        if self.ema is not None:
            _restore(_tensors(self.ema.net), saved.tensors, prefix="ema.")
        device = next(iter(_tensors(self.net).values())).device
        self.best = {n: t.to(device) for n, t in _below(saved.tensors, "best.").items()}
        parameters = _optimized(self.optimizer)
        self.optimizer.state.clear()
        for key, tensor in _below(saved.tensors, "optimizer.").items():
            index, name = key.split(".", 1)
            parameter = parameters[int(index)]
            self.optimizer.state[parameter][name] = tensor.to(parameter.device)
        try:
            self.progress = Progress(**saved.scalars["progress"])
        except TypeError as error:
            raise DataError(f"the saved state is damaged: progress ({first_line(error)})") from None
        restore_random(saved.scalars["random"], saved.tensors)


def prepare(net: nn.Module, recipe: Recipe, *, layout: str, device: str) -> nn.Module:
    """Move a network to its device and memory format, freeze what the recipe freezes."""
    net.to(device)
    if layout == "nhwc":
        net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for name, parameter in net.named_parameters():
        if recipe.network.frozen_body and not in_classifier(name):
            parameter.requires_grad_(False)
    training_mode(net, recipe)
    return net


def training_mode(net: nn.Module, recipe: Recipe) -> None:
    """Put a network into training mode; frozen norms stay in evaluation mode."""
    net.train()
    if recipe.network.frozen_norm or recipe.network.frozen_body:
        for module in net.modules():
            if isinstance(module, BATCH_NORMS):
                module.eval()


def _tensors(net: nn.Module) -> dict[str, Tensor]:
    return dict(net.named_parameters()) | dict(net.named_buffers())


def _optimized(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _restore(live: dict[str, Tensor], saved: dict[str, Tensor], *, prefix: str) -> None:
    found = _below(saved, prefix)
    shapes = {name: tuple(tensor.shape) for name, tensor in live.items()}
    if shapes != {name: tuple(tensor.shape) for name, tensor in found.items()}:
        raise DataError(
            "the saved state belongs to another network or recipe: "
            f"{len(found)} tensors saved, {len(live)} expected; resume with the run's own settings"
        )
    for name, tensor in live.items():
        tensor.data = found[name].to(tensor.device)  # keeps the saved strides, and the object
