"""GradInit: factors of the first weights that are learnt before training."""

from typing import Literal

from torch import nn

from fleetfoot.core import arguments
from fleetfoot.recipes.method import Method, Start, method
from fleetfoot.train.optim import gradinit as learning
from fleetfoot.train.optim.gradinit import GradInit


@method(
    acts="start",
    paper="Zhu et al., NeurIPS 2021, arXiv:2102.08098",
    published="CIFAR-10 after one epoch, ResNet-110 without norms: 16.1 to 36.2 % right (recalled)",
)
def gradinit(
    rule: Literal["sgd", "adam"] = "sgd",
    lr: float = 1e-2,
    iterations: int = 390,
    batch: int = 128,
    step_size: float = 0.1,
    bound: float = 1.0,
    second_order: bool = False,
) -> Method:
    """Each tensor of first weights is scaled so that the first step goes far down."""
    for name, value in (("lr", lr), ("step_size", step_size), ("bound", bound)):
        arguments.above_zero(value, name)
    for name, value in (("iterations", iterations), ("batch", batch)):
        arguments.at_least(1, value, name)

    def initialise(net: nn.Module, start: Start) -> None:
        settings = GradInit(
            rule=rule,
            lr=lr,
            iterations=iterations,
            batch=batch,
            step_size=step_size,
            bound=bound,
            second_order=second_order,
            seed=start.recipe.seed,
        )
        learning.gradinit(net, start.images, start.labels, settings)

    return Method(initialise=initialise)
