"""Networks with some modules replaced: in a copy, or in place."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fleetfoot.core.results import PassResult, Skip

if TYPE_CHECKING:
    from torch import nn


def replaced(
    net: "nn.Module", kind: "type[nn.Module]", make: "Callable[[Any], nn.Module]"
) -> "nn.Module":
    """Return a copy of ``net`` in evaluation mode with ``make(module)`` for every one of a kind.

    Args:
        net: left alone; ``make`` gets the modules of the copy and may change them.
        kind: of the modules that are replaced.
        make: returns what replaces a module.
    """
    net = copy.deepcopy(net)
    for path, module in list(net.named_modules()):
        if isinstance(module, kind):
            net.set_submodule(path, make(module))
    return net.eval()


def swap_modules(
    net: "nn.Module",
    kinds: "tuple[type[nn.Module], ...]",
    make: "Callable[[str, Any], nn.Module | str]",
) -> PassResult:
    """Replace modules of some kinds, in place: a surgery.

    A module that is at several paths is asked for once and replaced at all of them. The names of
    the others are kept, and so is the mode.

    Args:
        net: changed in place; never replaced itself.
        kinds: of the modules that may be replaced, subclasses included.
        make: given path and module, returns what replaces it, or the reason to leave it.
    """
    made: dict[int, nn.Module | str] = {}
    changed: list[str] = []
    skipped: list[Skip] = []
    for path, module in list(net.named_modules(remove_duplicate=False)):
        if not path or not isinstance(module, kinds):
            continue
        if id(module) not in made:
            made[id(module)] = make(path, module)
        found = made[id(module)]
        if isinstance(found, str):
            skipped.append(Skip(path, found))
            continue
        net.set_submodule(path, found.train(module.training))
        changed.append(path)
    return PassResult(model=net, changed=tuple(changed), skipped=tuple(skipped))


def grafted(net: "nn.Module", swaps: "dict[str, nn.Module]") -> "nn.Module":
    """Return a network with other modules at some paths, which shares everything else.

    Only the containers on the way to a swapped module are new; every other module, parameter and
    buffer is the object of ``net`` itself, so that training one trains both. The new containers
    share their hooks with the old ones and keep the mode of now.

    Args:
        net: left alone.
        swaps: the new modules by path; none of them inside another.
    """
    made = copy.copy(net)
    # A shallow copy shares its table of modules, and to put one into it would change both.
    # `named_children` would leave out what stands there twice.
    modules: dict[str, nn.Module | None] = dict(vars(net)["_modules"])
    vars(made)["_modules"] = modules
    for name in {path.partition(".")[0] for path in swaps}:
        inner = {
            path.partition(".")[2]: module
            for path, module in swaps.items()
            if path.partition(".")[0] == name
        }
        modules[name] = inner[""] if "" in inner else grafted(net.get_submodule(name), inner)
    return made
