"""ReCU: which share of the weights is clamped, by the tau of the schedule.

Paper    Xu et al., ICCV 2021, arXiv:2103.12369, the network that RepBNN widens: weights are taken
         to follow a Laplace distribution, whose quantiles tau and 1 - tau are the clamp
"""

import torch

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_most
from fleetfoot.ops.binary_weight import recu_weight

TAUS = (0.85, 0.9, 0.95, 0.99)
FILTERS = {"smoke": 64, "cpu": 1024}


@measured
def worst_share(setting: Setting, *, laplace: bool = True) -> Measurement:
    """Return how far the share of clamped weights is from 2 (1 - tau), the largest, in points.

    Args:
        laplace: weights follow that distribution, else an even one.
    """
    torch.manual_seed(0)
    shape = (FILTERS[setting.scale], 64, 3, 3)
    drawn = (
        torch.distributions.Laplace(0.0, 0.1).sample(shape) if laplace else torch.rand(shape) - 0.5
    )
    rows: list[dict[str, float]] = []
    for tau in TAUS:
        weight = drawn.clone().requires_grad_()
        # A gradient that reaches a weight through its own sign alone shows the clamp: what the
        # mean and the deviation of a filter pass on is the same for all of its weights, or small.
        with torch.no_grad():
            centred = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
        above = torch.randn(shape)
        (gradient,) = torch.autograd.grad((recu_weight(weight, tau) * above).sum(), weight)
        clamped = _clamped(gradient, above, centred)
        rows.append({"tau": tau, "paper": 2 * (1 - tau), "ours": clamped})
    worst = max(100 * abs(row["ours"] - row["paper"]) for row in rows)
    return Measurement(value=worst, table=tuple(rows))


def _clamped(gradient: torch.Tensor, above: torch.Tensor, centred: torch.Tensor) -> float:
    """Return the share of weights that the gradient above does not reach.

    Of each filter it is scaled by one number, less what mean and deviation take off again, a
    straight line of the weight: so it is fitted, and what lies nearer to the line alone is clamped.
    """
    flat = [x.flatten(1).double() for x in (gradient, above, centred)]
    found = 0
    for g, a, w in zip(*flat):
        inside = w.abs() < w.abs().median()  # never clamped at any tau that is used
        columns = torch.stack([a, torch.ones_like(a), w], dim=1)
        fit = torch.linalg.lstsq(columns[inside], g[inside, None]).solution[:, 0]
        line = columns[:, 1:] @ fit[1:]
        found += int(((g - line).abs() < 0.5 * (fit[0] * a).abs()).sum())
    return found / flat[0].numel()


CLAIMS = (
    Claim(
        id="repbnn/recu-share",
        paper="arXiv:2103.12369, section 3.3",
        sentence="Of weights with a Laplace distribution ReCU clamps a share of 2 (1 - tau).",
        protocol="Drawn weights of 1,024 filters (smoke: 64); which gradients pass is read from "
        "the gradient itself, at four taus from 0.85 to 0.99; the largest deviation. Weights that "
        "are clamped by chance in the reading are within a point.",
        unit="points of the share",
        paper_value=0.0,
        measure=worst_share(),
        rule=at_most(1.0, 3.0),
        control=Control("weights are even between two borders", worst_share(laplace=False)),
        **at_cpu("as published"),
    ),
)
