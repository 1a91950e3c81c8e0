"""Put a module behind parts of a network for the time of its training, and take it out again.

before   x -> part -> y
after    x -> part -> inserted -> y

Kind     surgery: in place, any mode; the names of what lies inside a part get an inner ``0.`` until
         `take_out` restores them
"""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from torch import nn

from fleetfoot.core.results import PassResult, Skip

T = TypeVar("T")


class After(nn.Sequential):
    """A part of a network, and what was put behind it."""


def insert_after(
    net: nn.Module, places: Mapping[str, T], make: Callable[[T], nn.Module]
) -> PassResult:
    """Put a new module behind each place.

    Args:
        net: changed in place.
        places: paths of parts, each with what ``make`` is given there.
        make: returns what is put behind; it goes to the device and dtype of the part.
    """
    for path, given in places.items():
        part = net.get_submodule(path)
        behind = make(given).train(net.training)
        beside = next((p for p in part.parameters() if p.is_floating_point()), None)
        if beside is not None:
            behind = behind.to(beside.device, beside.dtype)
        both = After(part, behind)
        both.training = net.training
        net.set_submodule(path, both)
    skipped = () if places else (Skip(site=type(net).__name__, reason="it has no stages"),)
    return PassResult(model=net, changed=tuple(places), skipped=skipped)


def take_out(net: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """Return the network without what of a kind was put behind its parts; in place."""
    # The innermost first, so that the paths of those around it stay true.
    for path, module in reversed(list(net.named_modules())):
        if isinstance(module, After) and isinstance(module[1], kind):
            net.set_submodule(path, module[0])
    return net


def stage_places(net: nn.Module) -> dict[str, int]:
    """Return the paths of the stages that put out a map, with the channels of that map.

    Networks inside a network, as where two are trained together, are found too; one without
    ``stages`` and ``feature_info`` has none.
    """
    return {
        f"{path}{'.' if path else ''}stages.{item.stage}": cast(int, item.channels)
        for path, part in net.named_modules()
        for item in (getattr(part, "feature_info", ()) if hasattr(part, "stages") else ())
    }
