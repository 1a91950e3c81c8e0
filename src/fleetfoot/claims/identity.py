"""A hash of what something is: equal for equal networks, functions and records, in any process.

Of a network every plain attribute counts, also one that its `repr` does not show; of a function its
code, its defaults, what it closes over and the constants it names.

Limits   functions that a function calls count by their name; those a closure holds by their code
"""

import hashlib
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def identity(*things: Any) -> str:
    """Return the hash of some things, in hex."""
    teller = _Teller()
    for thing in things:
        teller.tell(thing)
    return teller.hash.hexdigest()


class _Teller:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # what was seen stays alive, so that no other gets its number

    def tell(self, thing: Any) -> None:
        """Add a thing to the hash; what was told before counts by its place among them."""
        self.say(_name(type(thing)))
        if isinstance(thing, PLAIN):
            self.say(repr(thing))
        elif id(thing) in self.seen:
            self.say(f"seen {self.seen[id(thing)]}")
        else:
            self.seen[id(thing)] = len(self.seen)
            self.kept.append(thing)
            self.parts(thing)

    def say(self, text: str) -> None:
        self.hash.update(f"{len(text)}:{text}".encode())

    def each(self, things: Iterable[Any]) -> None:
        things = list(things)
        self.say(str(len(things)))
        for thing in things:
            self.tell(thing)

    def parts(self, thing: Any) -> None:
        if isinstance(thing, Tensor):
            self.say(f"{thing.dtype} {tuple(thing.shape)}")
            self.array(thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        elif isinstance(thing, (np.ndarray, np.generic)):
            self.array(np.asarray(thing))
        elif isinstance(thing, (type, types.ModuleType, types.BuiltinFunctionType)):
            self.say(_name(thing))
        else:
            kinds = (kind for kind in _PARTS if isinstance(thing, kind))
            self.each(_PARTS[next(kinds, object)](thing))

    def array(self, array: "np.typing.NDArray[Any]") -> None:
        self.say(f"{array.dtype} {array.shape}")
        self.hash.update(np.ascontiguousarray(array).tobytes())


def _name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', thing)}"


def _parts_of_module(module: nn.Module) -> Iterable[Any]:
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    hooks = [list(vars(module).get(name, {}).values()) for name in _HOOKS]
    inside = [vars(module)[name] for name in ("_parameters", "_buffers", "_modules")]
    return own, hooks, inside


def _parts_of_function(function: types.FunctionType) -> Iterable[Any]:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    constants = [value for value in named if isinstance(value, PLAIN)]
    defaults = (function.__defaults__, function.__kwdefaults__)
    return _name(function), function.__code__, defaults, cells, constants


def _parts_of_object(thing: Any) -> Iterable[Any]:
    wrapped: Callable[..., Any] | None = getattr(thing, "py_func", None)  # compiled by Numba
    if wrapped is not None:
        return (wrapped,)
    slots = getattr(type(thing), "__slots__", ())
    words = {name: getattr(thing, name, None) for name in slots}
    if hasattr(thing, "func"):  # functools.partial, whose parts are no attributes of `vars`
        words |= {name: getattr(thing, name, None) for name in ("func", "args", "keywords")}
    return (words | getattr(thing, "__dict__", {}),)


_PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    nn.Module: _parts_of_module,
    Mapping: lambda thing: [part for pair in thing.items() for part in pair],
    set: lambda thing: sorted(identity(part) for part in thing),
    frozenset: lambda thing: sorted(identity(part) for part in thing),
    list: list,
    tuple: list,
    types.MethodType: lambda thing: (thing.__func__, thing.__self__),
    types.FunctionType: _parts_of_function,
    types.CodeType: lambda thing: (thing.co_code, thing.co_names, *thing.co_consts),
    object: _parts_of_object,
}
