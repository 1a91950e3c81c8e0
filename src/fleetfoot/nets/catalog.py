"""The catalog of networks: finds their files, checks the words of a request, builds."""

import dataclasses
import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

from torch import nn

from fleetfoot import nets
from fleetfoot.core import registry
from fleetfoot.core.arguments import at_least, of_kind
from fleetfoot.core.errors import UsageError
from fleetfoot.core.registry import Builder, NetEntry
from fleetfoot.core.results import PassResult
from fleetfoot.nets.exchanges import EXCHANGES
from fleetfoot.nets.protocol import Classifier, CreatedAs, created_as
from fleetfoot.ops.class_map import ClassMap

CLASS_MAP = "class_map"
"""The option of every classifier: the number of classes its last layer speaks through."""


def build(
    name: str, *, num_classes: int | None, in_chans: int | None, options: dict[str, Any]
) -> Classifier:
    """Return the network ``name`` with new weights; `create` is the public form."""
    found = entry(name)
    net, made = build_entry(found, num_classes=num_classes, in_chans=in_chans, options=options)
    net.created_as = made
    return net


def build_entry(
    found: NetEntry, *, num_classes: int | None, in_chans: int | None, options: dict[str, Any]
) -> tuple[Classifier, CreatedAs]:
    """Return the network of an entry, registered or not, and what decided it.

    Raises:
        UsageError: a number of classes or channels, or an option, that it cannot have.
    """
    name = found.name
    classes = found.classes if num_classes is None else of_kind(num_classes, int, "num_classes")
    channels = found.input[0] if in_chans is None else of_kind(in_chans, int, "in_chans")
    if classes < 0 or channels < 1:
        raise UsageError(
            f"{name} cannot have {classes} classes and {channels} image channels: "
            "give num_classes >= 0 and in_chans >= 1"
        )
    known = (*option_names(found.builder), CLASS_MAP, *EXCHANGES)
    for word in options:
        if word not in known:
            raise UsageError(f"{name} has no option {word!r}; it has {', '.join(known)}")
    own = {word: options[word] for word in options if word not in (CLASS_MAP, *EXCHANGES)}
    parameters = inspect.signature(found.builder).parameters
    for word, value in own.items():
        of_kind(value, parameters[word].annotation, word)
    net = found.builder(classes, in_chans=channels, **own)
    if not isinstance(net, Classifier):
        raise TypeError(f"{name}: {type(net).__name__} is no nets.protocol.Classifier")
    for word, exchange in EXCHANGES.items():
        if word in options and not exchange(net, options[word]).changed:
            raise UsageError(f"{name} has no layer that {word}={options[word]!r} could replace")
    if CLASS_MAP in options:
        _speak_through(net, options[CLASS_MAP])
    return net, CreatedAs(name, classes, channels, dict(options))


def note_option(net: nn.Module, word: str, value: Any) -> None:
    """Let a network of `create` say that it has an option, which was exercised after building."""
    if isinstance(net, Classifier) and net.created_as is not None:
        options = {**net.created_as.options, word: value}
        net.created_as = dataclasses.replace(net.created_as, options=options)


def exchanged(net: nn.Module, word: str, value: Any) -> PassResult:
    """Exercise an option of `exchanges.EXCHANGES` on a network, in place, and note it there."""
    result = EXCHANGES[word](net, value)
    if result.changed:
        note_option(net, word, value)
    return result


def family_of(net: nn.Module) -> str:
    """Return the family of a network of `create` or of `compound_scaling`, "" of any other."""
    made = created_as(net)
    scaled = net.scaled_from if isinstance(net, Classifier) else None
    name = scaled if made is None else made.name
    return entry(name).family if name else ""


def entries(pattern: str = "*") -> tuple[NetEntry, ...]:
    """`core.registry.entries` after every network file has been read."""
    _discover()
    return registry.entries(pattern)


def entry(name: str) -> NetEntry:
    """`core.registry.entry` after every network file has been read."""
    of_kind(name, str, "network")
    _discover()
    return registry.entry(name)


def option_names(builder: Builder) -> tuple[str, ...]:
    """Return the words that a builder takes besides ``num_classes`` and ``in_chans``."""
    parameters = inspect.signature(builder).parameters.values()
    words = (p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
    return tuple(word for word in words if word != "in_chans")


def _speak_through(net: Classifier, known_classes: int) -> None:
    """Replace the linear classifier by a `ClassMap`; pooled features have none."""
    at_least(1, of_kind(known_classes, int, CLASS_MAP), CLASS_MAP)
    classifier = net.classifier
    if isinstance(classifier, nn.Linear):
        net.classifier = ClassMap(classifier.in_features, known_classes, classifier.out_features)
    elif not isinstance(classifier, nn.Identity):
        raise UsageError(
            f"class_map = {known_classes}: {type(net).__name__} classifies each position of its "
            "last map; a class map needs a linear classifier"
        )


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(nets.__path__, f"{nets.__name__}."):
        importlib.import_module(module.name)
