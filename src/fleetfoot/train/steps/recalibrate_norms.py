"""Give batch norms the statistics of a network whose training-only modules are silent.

What filters or drops in training changes the variances that batch norms remember. In the last steps
of a run they remember nothing of the step itself, and all of a second look at the same batch in
which those modules do nothing; it costs a forward pass.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, Metrics, Step
from fleetfoot.train.train_state import BATCH_NORMS

STEPS = 50  # after which 0.5 % of what was remembered before is left, at the usual momentum


def recalibrating_norms(step: Step, kind: type[nn.Module], *, steps: int = STEPS) -> Step:
    """Return ``step``, whose last calls in a run recalibrate norms with one kind of module silent.

    Args:
        step: computes the loss.
        kind: of the modules, which do nothing in evaluation mode.
        steps: how many of the run's last steps.
    """

    def recalibrated(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        if context.total_steps - context.step > steps:
            return step(net, batch, context)
        with _remembering_nothing(net):
            found = step(net, batch, context)
        with torch.no_grad(), _silent(net, kind):
            step(net, batch, context)
        return found

    return recalibrated


@contextmanager
def _remembering_nothing(net: nn.Module) -> Generator[None]:
    norms = [module for module in net.modules() if isinstance(module, BATCH_NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


@contextmanager
def _silent(net: nn.Module, kind: type[nn.Module]) -> Generator[None]:
    found = [module for module in net.modules() if isinstance(module, kind) and module.training]
    for module in found:
        module.eval()
    try:
        yield
    finally:
        for module in found:
            module.train()
