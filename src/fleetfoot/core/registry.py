"""The register of networks: strict, sorted, and without side effects beyond its one table."""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from fleetfoot.core.arguments import nearest
from fleetfoot.core.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Builder = Callable[..., "nn.Module"]


@dataclass(frozen=True)
class Member:
    """One network of a family: its spec, and facts that a contract test recomputes.

    Attributes:
        spec: first argument of the family's class; decides the shape.
        params: parameters with `classes` outputs.
        macs: multiply-accumulates of one image of shape `input`.
        note: what sets it apart, a few words.
        input: shape of one input without the batch axis; None is that of its family.
        classes: outputs of the published form; None is as many as its family has.
        checked_against: "timm" or "torchvision", which have a network of this name; or in full
            ``timm:NAME``, ``torchvision:NAME``, ``sheet:FILE`` or ``naive:TESTID``; None is the
            naive network in the test of its family.
        weights: key of the weights table, or None where no weights can be had.
        paper: where it is defined, if not in the paper of its family.
    """

    spec: Any
    params: int
    macs: int
    note: str
    _: KW_ONLY
    input: tuple[int, ...] | None = None
    classes: int | None = None
    checked_against: str | None = None
    weights: str | None = None
    paper: str | None = None


@dataclass(frozen=True, kw_only=True)
class NetEntry(Member):
    """A registered network.

    Attributes:
        name: the name users type; timm's where timm has the network.
        family: name of the file that registers it.
        checked_against: in full.
        net: the class of the family: ``net(spec, num_classes, in_chans=..., **options)``.
    """

    name: str
    family: str
    input: tuple[int, ...] = field()  # these four are always there
    classes: int = field()
    checked_against: str = field()
    paper: str = field()
    net: Builder

    @property
    def builder(self) -> Builder:
        """``builder(num_classes, in_chans=..., **options) -> nn.Module``."""
        return partial(self.net, self.spec)


_entries: dict[str, NetEntry] = {}


def register_family(
    net: Builder,
    members: Mapping[str, Member],
    *,
    paper: str,
    family: str | None = None,
    input: tuple[int, ...] = (3, 224, 224),
    classes: int = 1000,
) -> None:
    """Register networks that one class builds: ``net(spec, num_classes, *, in_chans, **options)``.

    Args:
        net: the class.
        members: the networks by name; a contract test recomputes their counts.
        paper: where the members are defined that name no paper of their own.
        family: name of the file that registers them; None is the file that defines ``net``.
        input: of the members that name none.
        classes: of the members that name none.

    Raises:
        ValueError: a name is taken.
    """
    family = family or net.__module__.rpartition(".")[2]
    naive = f"naive:tests/nets/test_{family}.py::check_against_naive"
    for name, member in members.items():
        if name in _entries:
            raise ValueError(f"network {name!r} is registered twice")
        peer = member.checked_against or naive
        facts: dict[str, Any] = vars(member) | {
            "input": member.input or input,
            "classes": member.classes or classes,
            "checked_against": peer if ":" in peer else f"{peer}:{name}",
            "paper": member.paper or paper,
        }
        _entries[name] = NetEntry(**facts, name=name, family=family, net=net)


def entry(name: str) -> NetEntry:
    """Return the entry of a network.

    Raises:
        UsageError: no such network; the message has the nearest names.
    """
    if name in _entries:
        return _entries[name]
    hint = nearest(name, _entries, otherwise="`fleetfoot nets` lists all", most=3)
    raise UsageError(f"{name!r} is not a network; {hint}")


def entries(pattern: str = "*") -> tuple[NetEntry, ...]:
    """Return the entries whose name matches a shell pattern, sorted by name."""
    return tuple(_entries[name] for name in sorted(_entries) if fnmatch.fnmatch(name, pattern))
