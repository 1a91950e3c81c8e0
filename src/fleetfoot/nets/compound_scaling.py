"""Compound scaling: one network from another by factors on depth, width and input size.

Paper    Tan, Le, "EfficientNet", ICML 2019, arXiv:1905.11946, section 3.3: depth ALPHA^phi, width
         BETA^phi, size GAMMA^phi; ALPHA * BETA^2 * GAMMA^2 is about 2, so MACs grow like 2^phi
Departs  nowhere; the released B1 to B7 use coefficients rounded by hand, to be given as factors
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

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
        classes: outputs of the published form.
        builder: of the family.
    """

    spec: Any
    input: tuple[int, ...]
    classes: int
    builder: Callable[..., nn.Module]

    def create(
        self, num_classes: int | None = None, *, in_chans: int | None = None, **options: Any
    ) -> nn.Module:
        """Return the network with new weights; the arguments are those of `fleetfoot.create`."""
        classes = self.classes if num_classes is None else num_classes
        channels = self.input[0] if in_chans is None else in_chans
        return self.builder(self.spec, classes, in_chans=channels, **options)


def scaled(
    net: str | Scalable,
    *,
    phi: float | None = None,
    depth: float = 1.0,
    width: float = 1.0,
    resolution: float = 1.0,
) -> ScaledNet:
    """Return a network larger (or smaller) by ``phi``, or by three factors.

    Args:
        net: name of a network, or the spec of one: any that scales, such as EfficientNet,
            MobileNet and ResNet.
        phi: the compound coefficient; the compute grows about 2^phi times.
        depth: factor on the layers of each stage; rounded up.
        width: factor on the channels; rounded to multiples of 8.
        resolution: factor on the side of the input; rounded to whole pixels.

    Raises:
        UsageError: no such network, one that does not scale, ``phi`` together with factors, or a
            factor that is not positive.

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
    if min(depth, width, resolution) <= 0:
        raise UsageError(
            f"depth={depth}, width={width}, resolution={resolution}: give factors above 0"
        )
    entry = catalog.entry(net) if isinstance(net, str) else _entry_of(net)
    spec = entry.spec if isinstance(net, str) else net
    if not hasattr(spec, "scaled"):
        raise UsageError(
            f"{entry.name} does not scale: its {type(spec).__name__} has no rule for it"
        )
    channels, *sides = entry.input
    return ScaledNet(
        spec=spec.scaled(width=width, depth=depth),
        input=(channels, *(max(1, round(side * resolution)) for side in sides)),
        classes=entry.classes,
        builder=entry.builder.func,  # pyright: ignore[reportFunctionMemberAccess]  a partial
    )


def _entry_of(spec: object) -> catalog.NetEntry:
    """Return the entry of a spec; of one that is not registered the first of its kind."""
    known = catalog.entries()
    of_kind = [entry for entry in known if type(entry.spec) is type(spec)]
    if not of_kind:
        raise UsageError(f"{type(spec).__name__} is not the spec of a network")
    return next((entry for entry in of_kind if entry.spec == spec), of_kind[0])
