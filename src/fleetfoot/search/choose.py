"""Which network, at which size, with which recipe, where there is no budget: one table.

The first row of `ROWS` that fits decides; `search.candidates` chooses within a budget.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fleetfoot.search.choice import SMALL_PIXELS, Choice, Situation


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table of defaults."""

    when: str
    fits: Callable[[Situation], bool]
    net: str
    size: int


ROWS = (
    Row(
        when="grey images up to 16 px",
        fits=lambda s: s.grey and s.pixels <= 16,
        net="fleetnet_small",
        size=16,
    ),
    Row(
        when=f"grey images up to {SMALL_PIXELS} px",
        fits=lambda s: s.grey and s.small,
        net="fleetnet_small",
        size=28,
    ),
    Row(
        when="images up to 16 px",
        fits=lambda s: s.pixels <= 16,
        net="fleetnet_small",
        size=16,
    ),
    Row(
        when=f"images up to {SMALL_PIXELS} px",
        fits=lambda s: s.small,
        net="fleetnet",
        size=32,
    ),
    Row(
        when="larger images, weights of tf_efficientnet_lite0 installed",
        fits=lambda s: "tf_efficientnet_lite0" in s.weights,
        net="tf_efficientnet_lite0",
        size=224,
    ),
    Row(
        when="larger images, no weights, up to 100 px",
        fits=lambda s: s.pixels <= 100,
        net="fasternet_t0",
        size=96,
    ),
    Row(
        when="larger images, no weights",
        fits=lambda s: True,
        net="fasternet_t0",
        size=160,
    ),
)

# Published ImageNet top-1 (%) and its resolution; the papers' sheets have the sources.
PUBLISHED = {
    "tf_efficientnet_lite0": (75.1, 224),
    "tf_efficientnet_lite1": (76.7, 240),
    "tf_efficientnet_lite2": (77.6, 260),
    "fasternet_t0": (71.9, 224),
    "fasternet_t1": (76.2, 224),
    "fasternet_t2": (78.9, 224),
}
# Ours have no ImageNet figure; they rank among themselves and below any published network.
SMALL_NETS = {"fleetnet": 32, "fleetnet_small": 28}


def default_choice(
    situation: Situation, *, net: str | None = None, size: int | None = None
) -> Choice:
    """Choose without a budget: the first row of the table that fits, or the named network.

    Args:
        situation: what is known about data and weights.
        net: network the user named, or None.
        size: side of the square input the user named, or None.
    """
    row = next(row for row in ROWS if row.fits(situation))
    taken = row.net if net is None else net
    return Choice(
        net=taken,
        size=size or (row.size if net is None else _size_of(net, row, situation)),
        pretrained=taken in situation.weights,
        recipe=recipe_for(taken, situation),
        reason=f"row of the table: {row.when}" if net is None else "named by the user",
    )


def recipe_for(net: str, situation: Situation) -> str:
    """Return the name of the default recipe for a network on these data."""
    if net in situation.weights:
        return "transfer"
    if not situation.small and net not in SMALL_NETS:
        return "scratch"
    return "glyphs" if situation.grey else "small_images"


def _size_of(net: str, row: Row, situation: Situation) -> int:
    if net in SMALL_NETS:
        return row.size if situation.small else 64
    if situation.small:
        return 32
    if net in situation.weights:
        return PUBLISHED.get(net, (0.0, 224))[1]
    return row.size
