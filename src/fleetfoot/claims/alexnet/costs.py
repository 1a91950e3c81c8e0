"""AlexNet: what response normalisation and overlapping pooling cost in time.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, sections 3.3 and 3.4: they lower the top-1 error
         by 1.4 and 0.4 points. Neither adds a weight or a multiply-accumulate, and of their time
         the paper says nothing: that they come free, as counts of MACs have it, is our sentence
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, measured
from fleetfoot.claims.rules import at_most
from fleetfoot.claims.timing import Image, columns, native, network_ms, times_as_long
from fleetfoot.core.surgery import replaced
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import Latency
from fleetfoot.ops.local_response_norm import LocalResponseNorm

NET = "alexnet_2012"
# Sizes at which all forms of pooling give the same maps.
IMAGE: dict[Scale, Image] = {
    "smoke": (3, 99, 99),
    "cpu": (3, 224, 224),
    "gpu": (3, 224, 224),
}
COLUMN_WINDOW = 95  # channels: from any of the 48 of a column of conv1 it reaches all others

Change = Callable[[Any], nn.Module]


@measured
def extra_time(
    setting: Setting, kind: type[nn.Module], before: Change, after: Change
) -> Measurement:
    """Return how much longer AlexNet takes with a form of a layer, in per cent.

    Args:
        kind: of layer.
        before: makes the form of the faster network from the layer as published.
        after: makes the form of the other.
    """
    published, image = native(NET), IMAGE[setting.scale]
    nets = {n: replaced(published, kind, new) for n, new in (("before", before), ("after", after))}
    times = network_ms(nets, image, setting)
    table = [_row(f"network, {n}", count(nets[n], image).macs, times[n]) for n in nets]
    table += _alone(published, kind, (before, after), setting)
    return _in_per_cent(times_as_long(times["after"], times["before"], table=tuple(table)))


def _in_per_cent(ratio: Measurement) -> Measurement:
    """Return a ratio of times as the extra time of the longer, in per cent."""
    low, high = (None if end is None else 100 * (end - 1) for end in (ratio.low, ratio.high))
    return replace(ratio, value=100 * (ratio.value - 1), low=low, high=high)


def _alone(
    net: nn.Module, kind: type[nn.Module], forms: tuple[Change, Change], setting: Setting
) -> list[Mapping[str, Any]]:
    """Return rows of each layer of a kind by itself, in both forms, on the maps that it gets."""
    layers: dict[str, nn.Module] = {}
    shapes: dict[str, Image] = {}
    for path, shape in _maps(net, kind, IMAGE[setting.scale]).items():
        for name, new in zip(("before", "after"), forms):
            layers[f"{path}, {name}"] = new(copy.deepcopy(net.get_submodule(path)))
            shapes[f"{path}, {name}"] = shape
    return [_row(n, 0, latency) for n, latency in network_ms(layers, shapes, setting).items()]


def _maps(net: nn.Module, kind: type[nn.Module], image: Image) -> dict[str, Image]:
    """Return the shape of the map that each layer of a kind gets, by its path."""
    shapes: dict[str, Image] = {}
    for record in count(net, image).records:
        if isinstance(net.get_submodule(record.path), kind):
            shapes.setdefault(record.path, record.in_shapes[0][1:])
    return shapes


def _row(what: str, macs: int, latency: Latency) -> dict[str, Any]:
    return {"what": what, "macs": macs, **columns(latency)}


def _over_the_column(norm: LocalResponseNorm) -> nn.Module:
    norm.size = COLUMN_WINDOW
    return norm


# Of the two kinds of layers.
NORMS: dict[str, Change] = {
    "as published": lambda norm: norm,
    "left out": lambda _: nn.Identity(),
    "over the column": _over_the_column,
}
POOLS: dict[str, Change] = {
    "as published": lambda pool: pool,
    "apart": lambda _: nn.MaxPool2d(2, stride=2),
    "overlapping widely": lambda _: nn.MaxPool2d(21, stride=2, padding=9),
}


PROTOCOL = (
    "The two-column network of 2012 at 224 x 224, batch 1, torch eager, float32; on the CPU one "
    "thread, a fresh pinned process each, alternating blocks; median of the rounds' ratios. The "
    'table has the layers alone as well. The sentence is ours: of time the paper is silent, "free" '
    "is what a count of multiply-accumulates makes of it, put to the test here. Free is called "
    "what costs at most 5 %, partly what costs at most 15 %. "
)
COST: dict[str, Any] = {
    "unit": "% of extra time",
    "rule": at_most(5.0, 15.0),
    "footing": {"cpu": "stand-in", "gpu": "stand-in"},  # nothing is published
}

CLAIMS = (
    Claim(
        id="alexnet/response-norm-cost",
        paper="ours, after NIPS 2012 (Krizhevsky, Sutskever, Hinton), section 3.3",
        sentence="Response normalisation, which lowers the error by 1.4 points without a weight or "
        "a multiply-accumulate, comes free.",
        protocol=f"{PROTOCOL}Against the same network without normalisation.",
        measure=extra_time(LocalResponseNorm, NORMS["left out"], NORMS["as published"]),
        control=Control(
            "the window takes 95 channels, a whole column of conv1, instead of 5: "
            "many times the work of a norm, which shows that the rule can fail, not more",
            extra_time(LocalResponseNorm, NORMS["left out"], NORMS["over the column"]),
        ),
        **COST,
    ),
    Claim(
        id="alexnet/overlapping-pooling-cost",
        paper="ours, after NIPS 2012 (Krizhevsky, Sutskever, Hinton), section 3.4",
        sentence="Pooling windows of 3 x 3 that overlap, which lower the error by 0.4 points, come "
        "free.",
        protocol=f"{PROTOCOL}Against windows of 2 x 2 at the same stride and of the same maps.",
        measure=extra_time(nn.MaxPool2d, POOLS["apart"], POOLS["as published"]),
        control=Control(
            "windows of 21 x 21, each pixel in about 110 of them instead of 2: many "
            "times the work, which shows that the rule can fail, not more",
            extra_time(nn.MaxPool2d, POOLS["apart"], POOLS["overlapping widely"]),
        ),
        **COST,
    ),
)
