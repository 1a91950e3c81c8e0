"""Fleetfoot: from images, a device and a latency budget to a trained, deployed network.

Importing this package imports nothing heavy: each name below is loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetfoot.deploy.bundle import load
    from fleetfoot.jobs.fit import fit
    from fleetfoot.nets.create import create, list_nets
    from fleetfoot.nets.weights import load_weights

__version__ = "0.1.0"
__all__ = ["create", "fit", "list_nets", "load", "load_weights"]

_HOMES = {
    "create": "fleetfoot.nets.create",
    "fit": "fleetfoot.jobs.fit",
    "list_nets": "fleetfoot.nets.create",
    "load": "fleetfoot.deploy.bundle",
    "load_weights": "fleetfoot.nets.weights",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'fleetfoot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
