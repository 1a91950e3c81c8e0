"""DropConnect in front of the classifier: a word of a recipe."""

from typing import Literal

from torch import nn

from fleetfoot.core.arguments import above_zero
from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.core.surgery import swap_modules
from fleetfoot.nets.catalog import note_option
from fleetfoot.nets.exchanges import insert_dropconnect
from fleetfoot.ops.drop_connect import DropConnect
from fleetfoot.recipes.method import Method, method


@method(
    acts="inside",
    paper="Wan et al., ICML 2013, PMLR 28(3)",
    published="MNIST, five networks: 0.27 (dropout) to 0.21 %",
)
def drop_connect(
    keep: float = 0.5,
    masks: Literal["example", "batch", "gaussian"] = "example",
    inference: Literal["mean", "closed"] = "mean",
) -> Method:
    """Each example loses weights of its own in every linear layer but the classifier."""
    if above_zero(keep, "keep") > 1:
        raise UsageError(f"keep={keep} is not in (0, 1]")

    def surgery(net: nn.Module) -> PassResult:
        result = insert_dropconnect(net, keep, masks=masks, inference=inference)
        if result.changed and inference == "closed":
            note_option(net, "drop_connect", keep)
        return result

    return Method(surgery=surgery, finish=_averaged if inference == "mean" else None)


def _averaged(net: nn.Module) -> nn.Module:
    return swap_modules(net, (DropConnect,), lambda _, layer: layer.plain()).model
