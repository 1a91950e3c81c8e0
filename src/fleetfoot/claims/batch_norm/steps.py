"""Batch normalisation, figure 3: how many steps fewer a network of rectifiers needs with it.

Paper    Ioffe, Szegedy, ICML 2015, arXiv:1502.03167, section 4.2.1: Inception comes to 72.2 % on
         ImageNet after 31.0 M steps, with batch norms after 13.3 M (BN-Baseline), at five times the
         learning rate after 2.1 M (BN-x5)
"""

import math
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from torch import nn

from fleetfoot.claims.batch_norm.sigmoids import IDLE, idle
from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, Effort, points, rows, steps_to
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.training import Outcome

CHANNELS = ((32, 32), (64, 64, 64), (64, 64, 64))  # of 3x3 convolutions; a pool after each group
RATES = (0.003, 0.01, 0.03, 0.1)
FASTER = 5.0
# Epochs to choose a rate in, and steps over which an error is averaged.
GRID_EPOCHS: dict[Scale, int] = {"smoke": 1, "cpu": 2, "long": 10, "gpu": 10}
WINDOWS: dict[Scale, int] = {"smoke": 1, "cpu": 25, "long": 200, "gpu": 200}


def network(way: str, _: Scale) -> nn.Module:
    """Return eight 3x3 convolutions with rectifiers: "plain", with a "norm", or "idle" norms."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    wide = 3
    for group, widths in enumerate(CHANNELS):
        for number, channels in enumerate(widths):
            name = f"{group}_{number}"
            conv = nn.Conv2d(wide, channels, 3, padding=1, bias=way == "plain")
            layers[f"conv{name}"] = conv
            if way != "plain":
                layers[f"norm{name}"] = nn.BatchNorm2d(channels)
            layers[f"act{name}"] = nn.ReLU()
            wide = channels
        layers[f"pool{group}"] = nn.MaxPool2d(2)
    net = nn.Sequential(layers)
    net.add_module("mean", nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", nn.Flatten())
    net.add_module("classifier", nn.Linear(wide, 10))
    return idle(he_weights(net)) if way == "idle" else he_weights(net)


NETS = Comparison(
    network=network,
    # One learning rate throughout, in the paper's batches of 32.
    recipe=plain_recipe(augment={"flip": 0.5}),
    efforts={
        "cpu": Effort(seeds=3, epochs=6, size=16, train_images=8000, test_images=1000),
        "gpu": Effort(seeds=5, epochs=60, test_images=1000),
    },
)


def best_rate(setting: Setting) -> float:
    """Return the rate at which the plain network gets furthest, as the paper's own was chosen."""
    return NETS.best_rate("plain", RATES, setting, epochs=GRID_EPOCHS[setting.scale])


@measured
def fewer_steps(setting: Setting, way: str, times: float) -> Measurement:
    """Return the plain network's steps over another's, to the same error.

    The error is the one that the plain network of that seed has in its last steps. A network that
    does not come to it counts as 0.

    Args:
        way: word of `network`.
        times: its learning rate over the best of the plain network.
    """
    rate, window = best_rate(setting), WINDOWS[setting.scale]
    plain = NETS.trainings("plain", setting, lr=rate)
    others = NETS.trainings(way, setting, lr=times * rate)
    found = points(_ratio_of_steps(a, b, window=window) for a, b in zip(plain, others, strict=True))
    table = (*rows("plain", plain), *rows(f"{way}, x{times:g}", others))
    note = f"the best rate of the plain network is {rate}"
    return replace(found, table=table, note=note)


def _ratio_of_steps(plain: Outcome, other: Outcome, *, window: int) -> float:
    target = math.fsum(plain.step_errors[-window:]) / window
    first, second = (steps_to(target, o.step_errors, window=window) for o in (plain, other))
    # A plain network that left the range of numbers is not what the claim is about.
    return first / second if math.isfinite(first) else 0.0


PROTOCOL = (
    "Instead of Inception on ImageNet: eight 3x3 convolutions of 32 and 64 channels with "
    "rectifiers on CIFAR-10, He's weights, SGD with momentum in batches of 32 at a constant rate; "
    f"that of the plain network is the best of {', '.join(map(str, RATES))} after a third of the "
    "time. Counted are the steps until the error of the images that come by, as a running mean, "
    "is the plain network's at its end; the paper counts validation accuracy. {} About 2 hours "
    "on an H100, bound by calls."
)
SHARED: dict[str, Any] = {
    "unit": "steps without / steps with",
    "footing": everywhere("stand-in"),
    "needs": NETS.needs(),
}

CLAIMS = (
    Claim(
        id="batchnorm/fewer-steps",
        paper="arXiv:1502.03167, section 4.2.1 and figure 3",
        sentence="With batch norms and five times the learning rate a network needs 14 times fewer "
        "steps to what it reaches without them.",
        protocol=PROTOCOL.format("With norms the rate is five times that."),
        paper_value=14.8,
        measure=fewer_steps("norm", FASTER),
        rule=at_least(14.8, 3.0),
        control=Control(
            "five times the rate, with norms that normalise by 0 and 1 throughout",
            fewer_steps("idle", FASTER),
        ),
        **SHARED,
    ),
    Claim(
        id="batchnorm/fewer-steps-same-rate",
        paper="arXiv:1502.03167, section 4.2.1 and figure 3",
        sentence="Batch norms alone, at the same learning rate, more than halve the steps.",
        protocol=PROTOCOL.format("With norms the rate is the same."),
        paper_value=2.33,
        measure=fewer_steps("norm", 1.0),
        rule=at_least(2.33, 1.3),
        control=Control(IDLE, fewer_steps("idle", 1.0)),
        **SHARED,
    ),
)
