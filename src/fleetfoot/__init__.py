"""Fleetfoot: from images, a device and a latency budget to a trained, deployed network.

Importing this package imports nothing heavy: each name below is loaded on first use.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fleetfoot.core.calls_home import switch_off_telemetry

if TYPE_CHECKING:
    from fleetfoot.deploy.bundle import load
    from fleetfoot.jobs.from_python import deploy, evaluate, fit, measure
    from fleetfoot.nets.create import create, list_nets
    from fleetfoot.nets.portable import save_portable
    from fleetfoot.nets.weights import load_weights

switch_off_telemetry()
__version__ = "0.1.0"
__all__ = [
    "create", "deploy", "evaluate", "fit", "list_nets", "load", "load_weights", "measure",
    "save_portable",
]  # fmt: skip

_VERBS = "fleetfoot.jobs.from_python"
_HOMES = {
    "create": "fleetfoot.nets.create",
    "evaluate": _VERBS,
    "fit": _VERBS,
    "list_nets": "fleetfoot.nets.create",
    "load": "fleetfoot.deploy.bundle",
    "load_weights": "fleetfoot.nets.weights",
    "save_portable": "fleetfoot.nets.portable",
}
_ROOMS = ("deploy", "measure")


class _Room(ModuleType):
    """A package that is called as the verb of its name, which holds its modules as well."""

    def __call__(self, *words: Any, **named: Any) -> Any:
        verb = getattr(importlib.import_module(_VERBS), self.__name__.rpartition(".")[2])
        return verb(*words, **named)


for _name in _ROOMS:
    importlib.import_module(f"fleetfoot.{_name}").__class__ = _Room


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'fleetfoot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
