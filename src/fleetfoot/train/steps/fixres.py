"""FixRes: adapt a trained network to the size of the images at evaluation.

Random crops show objects larger than the centre crop does. A network trained so is evaluated at a
larger size, and its classifier and last norm are fitted to that size.

Paper    Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019,
         arXiv:1906.06423, section 4
Departs  nowhere; `recipes.fixres` has the recipe
"""

from typing import Literal

from torch import nn

from fleetfoot.core.results import PassResult
from fleetfoot.train.optim.optimizers import in_classifier
from fleetfoot.train.steps.step import Context, Step, preceded
from fleetfoot.train.train_state import BATCH_NORMS

Norms = Literal["last", "all", "none"]


def freeze_body(net: nn.Module, *, norms: Norms) -> PassResult:
    """Freeze all but the classifier and the last batch norm (or all of them, or none); in place.

    Returns:
        `changed` has what is still trained.
    """
    found = [path for path, module in net.named_modules() if isinstance(module, BATCH_NORMS)]
    trained = {"last": found[-1:], "all": found, "none": []}[norms]
    changed: list[str] = []
    for name, parameter in net.named_parameters():
        if in_classifier(name) or name.rpartition(".")[0] in trained:
            changed.append(name)
        else:
            parameter.requires_grad_(False)
    return PassResult(model=net, changed=tuple(changed), skipped=())


def thaw(net: nn.Module) -> nn.Module:
    """Return the network with every parameter to be trained again; in place."""
    return net.requires_grad_(True)


def frozen_norms_step(step: Step) -> Step:
    """Return ``step``, in which norms that are not trained keep and use what they have gathered."""

    def freeze(net: nn.Module, _: Context) -> None:
        for module in net.modules():
            trained = any(parameter.requires_grad for parameter in module.parameters())
            if isinstance(module, BATCH_NORMS) and not trained:
                module.eval()

    return preceded(step, freeze)
