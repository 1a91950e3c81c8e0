"""Tell modules how far a training has come: for operators whose rate rises with it."""

from torch import nn

from fleetfoot.train.steps.step import Context, Step, preceded


def telling_progress(step: Step, kind: type[nn.Module]) -> Step:
    """Return ``step``, before which every module of a kind gets the share of the run as
    ``progress``: a function of the step alone, so that a resumed run goes on alike.
    """

    def tell(net: nn.Module, context: Context) -> None:
        for module in net.modules():
            if isinstance(module, kind):
                module.progress = context.progress  # pyright: ignore[reportArgumentType]

    return preceded(step, tell)
