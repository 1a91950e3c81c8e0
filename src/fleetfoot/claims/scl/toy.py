"""SCL: masks that learn by a positive proxy find what pays, whatever they begin as.

Paper    Tang et al., 2022, arXiv:2201.05020. Of the paper the abstract alone was at hand; the toy
         problem is the sheet's: connections whose gain is known, and a penalty for each
"""

import itertools

import torch
from torch import Tensor

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_least, at_most, within
from fleetfoot.ops.connectivity import PROXIES, connected, masked_weight, normalise_features

CONNECTIONS = {"smoke": 50, "cpu": 2000}
PENALTY, RATE, STEPS = 0.3, 0.1, 1500
MARGIN = 0.2  # of a gain to the penalty, or more: what hardly matters takes for ever
PENALTIES = (0.05, 0.2, 0.5, 1.0, 2.0)


def settled(proxy: str, gains: Tensor, mask: Tensor, penalty: float) -> Tensor:
    """Return what a mask connects that learns from a loss of -gains @ U(m) + penalty |U(m)|."""
    mask, weight = mask.clone().requires_grad_(), torch.ones_like(gains)
    slope = PROXIES[proxy]
    for _ in range(STEPS):
        loss = -(masked_weight(weight, mask, slope) * gains).sum()
        (gradient,) = torch.autograd.grad(loss, mask)
        with torch.no_grad():
            mask -= RATE * (gradient + penalty * slope(mask))
    return connected(mask.detach())


@measured
def found_connections(setting: Setting, *proxies: str) -> Measurement:
    """Return the percentage of connections that are as they should be, the least of some proxies.

    Half of them begin wrong and far from the step.
    """
    torch.manual_seed(0)
    gains = torch.randn(CONNECTIONS[setting.scale])
    gains += MARGIN * (gains - PENALTY).sign()
    best = (gains > PENALTY).float()
    first = torch.where(torch.rand_like(gains) < 0.5, 2 * best - 1, 1 - 2 * best) * 2.0
    rows = [
        {
            "proxy": proxy,
            "right_percent": 100
            * (settled(proxy, gains, first, PENALTY) == best).float().mean().item(),
        }
        for proxy in proxies
    ]
    return Measurement(value=min(float(row["right_percent"]) for row in rows), table=tuple(rows))


@measured
def monotone(setting: Setting, *, reverse: bool = False) -> Measurement:
    """Return the share of rising penalties after which fewer connections are left, in per cent.

    Args:
        reverse: penalties fall instead.
    """
    torch.manual_seed(0)
    gains = torch.randn(CONNECTIONS[setting.scale])
    first = torch.full_like(gains, 0.5)
    penalties = PENALTIES[::-1] if reverse else PENALTIES
    rows = [
        {"penalty": p, "kept": int(settled("identity", gains, first, p).sum())} for p in penalties
    ]
    kept = [row["kept"] for row in rows]
    fewer = sum(after < before for before, after in itertools.pairwise(kept))
    return Measurement(value=100 * fewer / (len(kept) - 1), table=tuple(rows))


@measured
def steps_until_off(_: Setting, proxy: str) -> Measurement:
    """Return how many times as many steps a mask needs to switch off as M / (rate * penalty) says.

    There is no task: the penalty alone moves it. It is given ten times as many.
    """
    mask, steps = torch.full((8,), 1.75), 0
    predicted = 1.75 / (RATE * 0.25)
    while bool(connected(mask).any()) and steps < 10 * predicted:
        mask = mask - RATE * 0.25 * PROXIES[proxy](mask)
        steps += 1
    return Measurement(
        value=steps / predicted, table=({"proxy": proxy, "predicted": predicted, "steps": steps},)
    )


@measured
def spread_of_filters(_: Setting, norm: str) -> Measurement:
    """Return the largest over the smallest mask gradient of the filters of a layer.

    Args:
        norm: see `normalise_features`.
    """
    torch.manual_seed(0)
    weight = torch.randn(32, 16, 3, 3) * torch.logspace(-3, 1, 32).view(-1, 1, 1, 1)
    weight.requires_grad_()
    mask = torch.full_like(weight, 0.5).requires_grad_()
    x = torch.randn(4, 16, 8, 8)
    out = torch.nn.functional.conv2d(x, masked_weight(weight, mask), padding=1)
    (gradient,) = torch.autograd.grad(out.square().mean(), mask)
    sizes = normalise_features(gradient, norm).flatten(1).square().mean(dim=1).sqrt()
    spread = (sizes.max() / sizes.min()).item()
    row = {"norm": norm, "smallest": sizes.min().item(), "largest": sizes.max().item()}
    return Measurement(value=spread, table=(row,))


STAND_IN = at_cpu("stand-in")
CLAIMS = (
    Claim(
        id="scl/positive-proxies",
        paper="arXiv:2201.05020, abstract: the principle of the proxy",
        sentence="Masks that learn by a proxy which is positive everywhere find the best "
        "connections; identity, leaky ReLU and softplus are such.",
        protocol="2,000 connections of known gains (smoke: 50) and a penalty for each; half of the "
        "variables begin wrong, at a distance of 2 from the step. Gains differ from the penalty by "
        "0.2 or more. The least share that is right after 1,500 steps.",
        unit="% of the connections",
        paper_value=100.0,
        measure=found_connections("identity", "leaky", "softplus"),
        rule=at_least(99.0, 95.0),
        control=Control("the proxy is 0 beyond 1", found_connections("window")),
        **STAND_IN,
    ),
    Claim(
        id="scl/penalty-decides",
        paper="arXiv:2201.05020, abstract: one trade-off for the whole network",
        sentence="A larger penalty leaves fewer connections, always.",
        protocol="The same problem with penalties of 0.05 to 2; steps of the penalty after which "
        "fewer are left.",
        unit="% of the steps",
        paper_value=100.0,
        measure=monotone(),
        rule=at_least(100.0, 75.0),
        control=Control("penalties fall instead", monotone(reverse=True)),
        **STAND_IN,
    ),
    Claim(
        id="scl/steps-until-off",
        paper="ours, after arXiv:2201.05020, abstract",
        sentence="Without a task a mask switches off after M / (rate * penalty) steps.",
        protocol="A variable of 1.75, a rate of 0.1 and a penalty of 0.25; steps over those "
        "predicted.",
        unit="times the steps predicted",
        paper_value=1.0,
        measure=steps_until_off("identity"),
        rule=within(1.0, reproduced=0.05, partly=0.2),
        control=Control("the proxy is 0 beyond 1: it never moves", steps_until_off("window")),
        **STAND_IN,
    ),
    Claim(
        id="scl/filters-alike",
        paper="arXiv:2201.05020, abstract: mask gradients are normalised for each feature",
        sentence="Mask gradients differ by orders of magnitude between filters, and not at all "
        "once they are normalised.",
        protocol="A convolution of 32 filters whose weights span four orders of magnitude; the "
        "largest over the smallest root mean square of a filter's mask gradient.",
        unit="largest / smallest",
        paper_value=1.0,
        measure=spread_of_filters("rms"),
        rule=at_most(1.01, 1.5),
        control=Control("they are left as they are", spread_of_filters("none")),
        **STAND_IN,
    ),
)
