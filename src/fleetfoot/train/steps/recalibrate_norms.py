"""Give batch norms the statistics of a network whose training-only modules are silent.

What filters or drops in training changes the variances that batch norms remember. In the last steps
of a run they remember nothing of the step itself, and all of a second look at the same batch in
which those modules do nothing; it costs a forward pass.
"""

import torch
from torch import Tensor, nn

from fleetfoot.core.keeping import keeping
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
        if context.steps_left > steps:
            return step(net, batch, context)
        norms = [module for module in net.modules() if isinstance(module, BATCH_NORMS)]
        with keeping(norms, "momentum"):
            for norm in norms:
                norm.momentum = 0.0
            found = step(net, batch, context)
        with torch.no_grad(), keeping(net.modules(), "training"):
            for module in net.modules():
                if isinstance(module, kind):
                    module.eval()
            step(net, batch, context)
        return found

    return recalibrated
