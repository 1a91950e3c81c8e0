"""Which network, at which size, with which recipe: one table without a budget, measured with one.

Without a budget the first row of `ROWS` that fits decides. With a budget every candidate is
measured in deployed form on this device before training; those over it are dropped and the highest
prior is taken.

Prior    expected top-1 in points: published ImageNet top-1, less what the resolution costs, less
         what training from scratch on few images costs. Only differences between candidates count.
Sources  resolution: MobileNetV2 at 224, 192, 160, 128, 96 px has 71.8, 70.7, 68.8, 65.3, 60.3 %
         (arXiv:1801.04381, released models), which 5 x + 3.6 x^2 points with
         x = log2(native / size) follow to half a point. Scratch: ten points for every factor of ten
         that the images fall short of ImageNet, a rule of thumb of ours.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from fleetfoot.core.errors import BudgetError, UsageError

IMAGENET_IMAGES = 1_281_167
# A budget is for every day, a measurement for one moment: three fresh processes of one bundle have
# been seen at 1.6, 2.0 and 2.3 ms on a shared machine.
HEADROOM = 0.8
NEAR = 1.25  # so far over the limit a slow moment of the machine may bring a candidate


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the choice depends on.

    Attributes:
        pixels: median short side of the training images.
        images: training images.
        grey: the images have no colour.
        weights: names of networks whose pretrained weights are installed.
    """

    pixels: int
    images: int
    grey: bool = False
    weights: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table of defaults."""

    when: str
    fits: Callable[[Situation], bool]
    net: str
    size: int
    recipe: str


ROWS = (
    Row(
        when="grey images up to 16 px",
        fits=lambda s: s.grey and s.pixels <= 16,
        net="fleetnet_small",
        size=16,
        recipe="glyphs",
    ),
    Row(
        when="grey images up to 40 px",
        fits=lambda s: s.grey and s.pixels <= 40,
        net="fleetnet_small",
        size=28,
        recipe="glyphs",
    ),
    Row(
        when="images up to 16 px",
        fits=lambda s: s.pixels <= 16,
        net="fleetnet_small",
        size=16,
        recipe="small_images",
    ),
    Row(
        when="images up to 40 px",
        fits=lambda s: s.pixels <= 40,
        net="fleetnet",
        size=32,
        recipe="small_images",
    ),
    Row(
        when="larger images, weights of tf_efficientnet_lite0 installed",
        fits=lambda s: "tf_efficientnet_lite0" in s.weights,
        net="tf_efficientnet_lite0",
        size=224,
        recipe="transfer",
    ),
    Row(
        when="larger images, no weights, up to 100 px",
        fits=lambda s: s.pixels <= 100,
        net="fasternet_t0",
        size=96,
        recipe="scratch",
    ),
    Row(
        when="larger images, no weights",
        fits=lambda s: True,
        net="fasternet_t0",
        size=160,
        recipe="scratch",
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
SIZES = (288, 256, 224, 192, 160, 128, 96, 64)  # multiples of 32: SAME padding is then constant
# Ours have no ImageNet figure; they rank among themselves and below any published network.
SMALL_NETS = {"fleetnet": 32, "fleetnet_small": 28}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One network at one size, before and after it was measured."""

    net: str
    size: int
    pretrained: bool
    recipe: str
    prior: float
    latency_ms_p50: float | None = None
    engine: str | None = None
    precision: str | None = None
    kept: bool = False
    reason: str = "not measured"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The network to train, and why."""

    net: str
    size: int
    pretrained: bool
    recipe: str
    reason: str
    budget_ms: float | None
    seconds: float
    candidates: tuple[Candidate, ...]


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
    if net is None:
        return Choice(
            net=row.net,
            size=size or row.size,
            pretrained=row.recipe == "transfer",
            recipe=row.recipe,
            reason=f"row of the table: {row.when}",
            budget_ms=None,
            seconds=0.0,
            candidates=(),
        )
    recipe = recipe_for(net, situation)
    return Choice(
        net=net,
        size=size or _size_of(net, row, situation),
        pretrained=net in situation.weights,
        recipe=recipe,
        reason="named by the user",
        budget_ms=None,
        seconds=0.0,
        candidates=(),
    )


def candidates_for(
    situation: Situation,
    *,
    nets: Sequence[str] | None = None,
    size: int | None = None,
    pretrained: bool = True,
) -> tuple[Candidate, ...]:
    """Return every network and size worth measuring, the highest prior first."""
    if nets is None:
        nets = _worth_measuring(situation, pretrained=pretrained)
    found = [
        Candidate(
            net=net,
            size=side,
            pretrained=pretrained and net in situation.weights,
            recipe=recipe_for(net, situation),
            prior=prior(net, side, situation),
        )
        for net in nets
        for side in ((size,) if size else _sizes(net, situation))
    ]
    return tuple(sorted(found, key=lambda c: (-c.prior, c.net, c.size)))


def prior(net: str, size: int, situation: Situation) -> float:
    """Return the expected top-1 of a network at a size, in points; see the head of this file."""
    top1, native = PUBLISHED.get(net, (60.0, SMALL_NETS.get(net, 224)))
    distance = abs(math.log2(native / size))
    expected = top1 - 5.0 * distance - 3.6 * distance**2
    if net not in situation.weights:
        expected -= 10.0 * max(0.0, math.log10(IMAGENET_IMAGES / situation.images))
    return expected


def choose_within(
    candidates: Iterable[Candidate],
    *,
    budget_ms: float,
    seconds: float,
) -> Choice:
    """Take the highest prior among measured candidates within the budget.

    Args:
        candidates: measured candidates; one whose `latency_ms_p50` is None could not run.
        budget_ms: batch-1 median of the engine call, milliseconds.
        seconds: what measuring took, for the report.

    Raises:
        BudgetError: none is within the budget; the message names the fastest.
    """
    judged = tuple(_judged(candidate, budget_ms) for candidate in candidates)
    within = [c for c in judged if c.kept]
    if not within:
        raise BudgetError(_nothing_within(judged, budget_ms))
    best = max(within, key=lambda c: c.prior)
    return Choice(
        net=best.net,
        size=best.size,
        pretrained=best.pretrained,
        recipe=best.recipe,
        reason=(
            f"highest prior ({best.prior:.1f}) of {len(within)} candidates measured at most "
            f"{HEADROOM:g} x {budget_ms:g} ms"
        ),
        budget_ms=budget_ms,
        seconds=seconds,
        candidates=judged,
    )


def worth_a_second_look(
    candidates: Iterable[Candidate], *, budget_ms: float
) -> tuple[Candidate, ...]:
    """Return the candidates that would be taken, were they not a little over the budget."""
    found = tuple(candidates)
    best = max((c.prior for c in found if _judged(c, budget_ms).kept), default=-math.inf)
    better = (c for c in found if c.prior > best)  # none of them was kept
    return tuple(c for c in better if _judged(c, NEAR * budget_ms).kept)


def faster_of(first: Iterable[Candidate], again: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates, those measured again with the lower of their two times."""
    known = {(c.net, c.size): c for c in again if c.latency_ms_p50 is not None}

    def faster(candidate: Candidate) -> Candidate:
        other = known.get((candidate.net, candidate.size), candidate)
        return min(candidate, other, key=lambda c: c.latency_ms_p50 or math.inf)

    return tuple(map(faster, first))


def parse_budget(text: str | float) -> float:
    """Return milliseconds from "5ms", "0.5s", "800us" or a plain number of milliseconds.

    >>> [parse_budget(text) for text in ("5ms", "0.5 s", "800us", 3)]
    [5.0, 500.0, 0.8, 3.0]

    Raises:
        UsageError: not a positive time.
    """
    word = str(text).strip().lower()
    factor = 1.0
    for unit, size in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if word.endswith(unit):
            word, factor = word.removesuffix(unit).strip(), size
            break
    try:
        value = float(word) * factor
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"budget {text!r} is not a time: write it like 5ms, 0.5s or 800us")
    return round(value, 9)


def recipe_for(net: str, situation: Situation) -> str:
    """Return the name of the default recipe for a network on these data."""
    if net in situation.weights:
        return "transfer"
    if situation.pixels > 40 and net not in SMALL_NETS:
        return "scratch"
    return "glyphs" if situation.grey else "small_images"


def _worth_measuring(situation: Situation, *, pretrained: bool) -> tuple[str, ...]:
    if situation.pixels <= 40:
        return tuple(SMALL_NETS)
    ready = tuple(net for net in PUBLISHED if net in situation.weights)
    if pretrained and ready:
        return ready
    return (*(net for net in PUBLISHED if net.startswith("fasternet")), *SMALL_NETS)


def _sizes(net: str, situation: Situation) -> tuple[int, ...]:
    if net in SMALL_NETS:
        sides = {SMALL_NETS[net], 16 if situation.pixels <= 40 else 64}
        return tuple(sorted(sides, reverse=True))
    # More pixels than the images have, or than the network knows well, add time and nothing else.
    native = PUBLISHED.get(net, (0.0, 224))[1]
    limit = max(64, min(int(situation.pixels * 1.15), int(native * 1.15)))
    return tuple(side for side in SIZES if side <= limit)


def _size_of(net: str, row: Row, situation: Situation) -> int:
    if net in SMALL_NETS:
        return row.size if situation.pixels <= 40 else 64
    if situation.pixels <= 40:
        return 32
    if net in situation.weights:
        return PUBLISHED.get(net, (0.0, 224))[1]
    return row.size


def _judged(candidate: Candidate, budget_ms: float) -> Candidate:
    latency = candidate.latency_ms_p50
    if latency is None:
        return replace(candidate, kept=False)
    if latency > HEADROOM * budget_ms:
        return replace(
            candidate,
            kept=False,
            reason=f"{latency:.2f} ms is over {HEADROOM:g} x {budget_ms:g} ms",
        )
    return replace(candidate, kept=True, reason=f"{latency:.2f} ms is within the budget")


def _nothing_within(candidates: Sequence[Candidate], budget_ms: float) -> str:
    timed = [c for c in candidates if c.latency_ms_p50 is not None]
    if not timed:
        return f"budget {budget_ms:g} ms: no candidate could be measured on this device"
    fastest = min(timed, key=lambda c: c.latency_ms_p50 or math.inf)
    return (
        f"budget {budget_ms:g} ms: none of {len(timed)} candidates is within it; the fastest is "
        f"{fastest.net} at {fastest.size} px with {fastest.latency_ms_p50:.2f} ms "
        f"({fastest.engine} {fastest.precision}): try `--budget "
        f"{math.ceil((fastest.latency_ms_p50 or 0) / HEADROOM * 100) / 100:g}ms`"
    )
