"""Fleetfoot: from images, a device and a latency budget to a trained, deployed network.

Importing this package imports nothing heavy: each name below is loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetfoot.core.listener import Listener
    from fleetfoot.deploy.bundle import load
    from fleetfoot.jobs.fit import FitRecord
    from fleetfoot.nets.create import create, list_nets
    from fleetfoot.nets.weights import load_weights

__version__ = "0.1.0"
__all__ = ["create", "fit", "list_nets", "load", "load_weights"]

_HOMES = {
    "create": "fleetfoot.nets.create",
    "list_nets": "fleetfoot.nets.create",
    "load": "fleetfoot.deploy.bundle",
    "load_weights": "fleetfoot.nets.weights",
}


def fit(
    data: str | None = None, *, listener: "Listener | None" = None, **words: Any
) -> "FitRecord":
    """Train, deploy and report a network on ``data``, as ``fleetfoot fit`` does.

    Args:
        data: folder, table file, "digits", "mnist:DIR" or "cifar10:DIR".
        listener: hears how it gets on.
        words: fields of `fleetfoot.jobs.requests.FitRequest`, such as ``epochs=10``,
            ``budget="5ms"`` or ``settings={"lr": 0.1}``.

    Returns:
        The record that ``fleetfoot fit --json`` prints.
    """
    from fleetfoot.core.listener import SILENT
    from fleetfoot.jobs.fit import fit as job
    from fleetfoot.jobs.requests import FitRequest

    return job(FitRequest(data=data, **words), listener=listener or SILENT)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'fleetfoot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
