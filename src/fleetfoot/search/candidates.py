"""Which network, at which size, within a budget: candidates, what is expected of each, the best.

Candidates are measured in deployed form on this device before training, those that could win
(`rounds`); the highest prior within the budget is taken.

Prior    expected top-1 in points: published ImageNet top-1, less what the resolution costs, less
         what training from scratch on few images costs. Only differences between candidates count.
Sources  resolution: MobileNetV2 at 224, 192, 160, 128, 96 px has 71.8, 70.7, 68.8, 65.3, 60.3 %
         (arXiv:1801.04381, released models), which 5 x + 3.6 x^2 points with
         x = log2(native / size) follow to half a point. Scratch: ten points for every factor of ten
         that the images fall short of ImageNet, a rule of thumb of ours.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fleetfoot.core.errors import BudgetError
from fleetfoot.search.choice import Candidate, Choice, Situation
from fleetfoot.search.choose import PUBLISHED, SMALL_NETS, recipe_for

IMAGENET_IMAGES = 1_281_167
# A budget is for every day, a measurement for one moment: three fresh processes of one bundle have
# been seen at 1.6, 2.0 and 2.3 ms on a shared machine.
HEADROOM = 0.8
NEAR = 1.25  # this far over the limit a slow moment of the machine may bring a candidate
MIGHT_HAVE_WON = "it might have won"  # said of what there was no time to measure
SIZES = (288, 256, 224, 192, 160, 128, 96, 64)  # multiples of 32: SAME padding is then constant


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


def choose_within(candidates: Iterable[Candidate], *, budget_ms: float, seconds: float) -> Choice:
    """Take the highest prior among measured candidates within the budget.

    Args:
        candidates: one whose `latency_ms_p50` is None was not measured, or could not run.
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
    timed = sum(c.latency_ms_p50 is not None for c in judged)
    return Choice(
        net=best.net,
        size=best.size,
        pretrained=best.pretrained,
        recipe=best.recipe,
        reason=(
            f"highest prior ({best.prior:.1f}) measured at most {HEADROOM:g} x {budget_ms:g} ms; "
            f"of {len(judged)} candidates {timed} were measured, {_others(judged)}"
        ),
        budget_ms=budget_ms,
        seconds=seconds,
        candidates=judged,
    )


def _worth_measuring(situation: Situation, *, pretrained: bool) -> tuple[str, ...]:
    if situation.small:
        return tuple(SMALL_NETS)
    ready = tuple(net for net in PUBLISHED if net in situation.weights)
    if pretrained and ready:
        return ready
    return (*(net for net in PUBLISHED if net.startswith("fasternet")), *SMALL_NETS)


def _sizes(net: str, situation: Situation) -> tuple[int, ...]:
    if net in SMALL_NETS:
        sides = {SMALL_NETS[net], 16 if situation.small else 64}
        return tuple(sorted(sides, reverse=True))
    # More pixels than the images have, or than the network knows well, add time and nothing else.
    native = PUBLISHED.get(net, (0.0, 224))[1]
    limit = max(64, min(int(situation.pixels * 1.15), int(native * 1.15)))
    return tuple(side for side in SIZES if side <= limit)


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


def _others(candidates: Iterable[Candidate]) -> str:
    """Return what is to be said of those that were not measured."""
    open_ = sum(c.reason.endswith(MIGHT_HAVE_WON) for c in candidates)
    return f"{open_} more might win, but time was up" if open_ else "no other could win"


def _nothing_within(candidates: Sequence[Candidate], budget_ms: float) -> str:
    timed = [c for c in candidates if c.latency_ms_p50 is not None]
    if not timed:
        return f"budget {budget_ms:g} ms: no candidate could be measured on this device"
    fastest = min(timed, key=lambda c: c.latency_ms_p50 or math.inf)
    return (
        f"budget {budget_ms:g} ms: none of {len(timed)} candidates measured is within it, "
        f"{_others(candidates)}; the fastest is "
        f"{fastest.net} at {fastest.size} px with {fastest.latency_ms_p50:.2f} ms "
        f"({fastest.engine} {fastest.precision}): try `--budget "
        f"{math.ceil((fastest.latency_ms_p50 or 0) / HEADROOM * 100) / 100:g}ms`"
    )
