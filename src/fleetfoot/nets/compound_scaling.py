"""Compound scaling: one network from another by factors on depth, width and input size.

Paper    Tan, Le, "EfficientNet", ICML 2019, arXiv:1905.11946, section 3.3: depth ALPHA^phi, width
         BETA^phi, size GAMMA^phi; ALPHA * BETA^2 * GAMMA^2 is about 2, so MACs grow like 2^phi
Departs  nowhere; the released B1 to B7 use coefficients rounded by hand, to be given as factors
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import nn

from fleetfoot.core.arguments import above_zero, one_of
from fleetfoot.core.errors import UsageError
from fleetfoot.nets import catalog

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15


class Scalable(Protocol):
    """A spec that can be made wider and deeper; how channels and layers round is its own rule."""

    def scaled(self, *, width: float, depth: float) -> Any: ...


@dataclass(frozen=True)
class ScaledNet:
    """What `scaled` returns: a network that has no name of its own.

    Attributes:
        spec: of the scaled network.
        input: shape of one image (C, H, W) at the scaled size.
        base: name of the network, or of one of the family, whose class and options it has.
    """

    spec: Any
    input: tuple[int, ...]
    base: str

    def create(
        self, num_classes: int | None = None, *, in_chans: int | None = None, **options: Any
    ) -> nn.Module:
        """Return the network with new weights; the arguments are those of `fleetfoot.create`.

        `load_weights` knows the names of its parameters in other libraries. `save_portable`
        refuses it: there is no name to write down.

        Raises:
            UsageError: an option that its family does not have, or a number that cannot be.
        """
        found = replace(catalog.entry(self.base), spec=self.spec, input=self.input)
        net, _ = catalog.build_entry(
            found, num_classes=num_classes, in_chans=in_chans, options=options
        )
        net.scaled_from = self.base
        return net


def scaled(
    net: "str | ScaledNet | Scalable",
    *,
    family: str | None = None,
    phi: float | None = None,
    depth: float = 1.0,
    width: float = 1.0,
    resolution: float = 1.0,
) -> ScaledNet:
    """Return a network larger (or smaller) by ``phi``, or by three factors.

    Args:
        net: name of a network that scales, such as those of EfficientNet, MobileNet and ResNet;
            or what this function returned; or a spec, together with its ``family``.
        family: of a spec: name of the file that registers its kind, such as "efficientnet".
        phi: the compound coefficient; the compute grows about 2^phi times.
        depth: factor on the layers of each stage; rounded up.
        width: factor on the channels; rounded to multiples of 8.
        resolution: factor on the side of the input; rounded to whole pixels.

    Raises:
        UsageError: no such network or family, one that does not scale, a spec without its family,
            ``phi`` together with factors, or a factor that is not positive.

    >>> b1 = scaled("efficientnet_b0", depth=1.1, resolution=240 / 224)
    >>> b1.input, [sum(row.layers for row in stage) for stage in b1.spec.stages]
    ((3, 240, 240), [2, 3, 3, 4, 4, 5, 2])
    >>> scaled("resnet50", phi=1).spec.blocks
    (4, 5, 8, 4)
    """
    if phi is not None:
        if (depth, width, resolution) != (1.0, 1.0, 1.0):
            raise UsageError(f"phi={phi} sets depth, width and resolution: give phi or the factors")
        depth, width, resolution = ALPHA**phi, BETA**phi, GAMMA**phi
    above_zero(depth, "depth")
    above_zero(width, "width")
    above_zero(resolution, "resolution")
    start = _start(net, family)
    if not hasattr(start.spec, "scaled"):
        raise UsageError(
            f"{start.base} does not scale: its {type(start.spec).__name__} has no rule for it"
        )
    channels, *sides = start.input
    return replace(
        start,
        spec=start.spec.scaled(width=width, depth=depth),
        input=(channels, *(max(1, round(side * resolution)) for side in sides)),
    )


def _start(net: str | ScaledNet | Scalable, family: str | None) -> ScaledNet:
    """Return what is to be scaled."""
    if isinstance(net, (str, ScaledNet)):
        if family is not None:
            raise UsageError(f"family={family!r} goes with a spec: a network has its own")
        if isinstance(net, ScaledNet):
            return net
        entry = catalog.entry(net)
        return ScaledNet(entry.spec, entry.input, entry.name)
    kind = type(net).__name__
    if family is None:
        raise UsageError(
            f"a {kind} may be of several families: give its family, or the name of a network"
        )
    known = catalog.entries()
    one_of(family, sorted({entry.family for entry in known}), "family")
    of_kind = [e for e in known if e.family == family and type(e.spec) is type(net)]
    if not of_kind:
        raise UsageError(f"{kind} is not the spec of a network of the family {family!r}")
    entry = next((entry for entry in of_kind if entry.spec == net), of_kind[0])
    return ScaledNet(net, entry.input, entry.name)
