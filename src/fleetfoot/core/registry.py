"""The register of networks: strict, sorted, and without side effects beyond its one table."""

import difflib
import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fleetfoot.core.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Builder = Callable[..., "nn.Module"]
B = TypeVar("B", bound=Builder)


@dataclass(frozen=True, kw_only=True)
class NetEntry:
    """Facts about one network; a contract test recomputes `params` and `macs`.

    Attributes:
        name: the name users type; timm's where timm has the network.
        builder: ``builder(num_classes, in_chans, **options) -> nn.Module``.
        params: parameters with `classes` outputs.
        macs: multiply-accumulates of one image of shape `input`.
        input: shape of one input without the batch axis.
        classes: outputs of the published form.
        paper: where it is defined.
        checked_against: ``timm:NAME``, ``torchvision:NAME``, ``sheet:FILE`` or ``naive:TESTID``.
        weights: key of the weights table, or None where no weights can be had.
    """

    name: str
    builder: Builder
    params: int
    macs: int
    input: tuple[int, ...]
    classes: int
    paper: str
    checked_against: str
    weights: str | None = None


_entries: dict[str, NetEntry] = {}


def register_net(
    *,
    params: int,
    macs: int,
    paper: str,
    checked_against: str,
    input: tuple[int, ...] = (3, 224, 224),
    classes: int = 1000,
    weights: str | None = None,
) -> Callable[[B], B]:
    """Register a builder under its function name; the fields are those of `NetEntry`.

    Raises:
        ValueError: the name is taken.
    """

    def register(builder: B) -> B:
        name = builder.__name__
        if name in _entries:
            raise ValueError(f"network {name!r} is registered twice")
        _entries[name] = NetEntry(
            name=name,
            builder=builder,
            params=params,
            macs=macs,
            input=input,
            classes=classes,
            paper=paper,
            checked_against=checked_against,
            weights=weights,
        )
        return builder

    return register


def entry(name: str) -> NetEntry:
    """Return the entry of a network.

    Raises:
        UsageError: no such network; the message has the nearest names.
    """
    if name in _entries:
        return _entries[name]
    near = difflib.get_close_matches(name, _entries, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else "`fleetfoot nets` lists all"
    raise UsageError(f"{name!r} is not a network; {hint}")


def entries(pattern: str = "*") -> tuple[NetEntry, ...]:
    """Return the entries whose name matches a shell pattern, sorted by name."""
    return tuple(_entries[name] for name in sorted(_entries) if fnmatch.fnmatch(name, pattern))
