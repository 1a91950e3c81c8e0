"""Tell modules how far a training has come: for operators whose rate rises with it."""

from torch import Tensor, nn

from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, Metrics, Step


def telling_progress(step: Step, kind: type[nn.Module]) -> Step:
    """Return ``step``, before which every module of a kind gets the share of the run as
    ``progress``: a function of the step alone, so that a resumed run goes on alike.
    """

    def told(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        for module in net.modules():
            if isinstance(module, kind):
                module.progress = context.progress  # pyright: ignore[reportArgumentType]
        return step(net, batch, context)

    return told
