"""Batch normalisation, figure 3: how many steps fewer a network of rectifiers needs with it.

Paper    Ioffe, Szegedy, ICML 2015, arXiv:1502.03167, section 4.2.1: Inception comes to 72.2 % on
         ImageNet after 31.0 M steps, with batch norms after 13.3 M (BN-Baseline), at five times the
         learning rate after 2.1 M (BN-x5)
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from fleetfoot.claims.batch_norm.sigmoids import idle
from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, mean_interval, train_once
from fleetfoot.claims.training_gain import OTHER, rows, steps_to

CHANNELS = ((32, 32), (64, 64, 64), (64, 64, 64))  # of 3x3 convolutions; a pool after each group
RATES = (0.003, 0.01, 0.03, 0.1)
FASTER = 5.0


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is trained at a scale; `window` is the steps over which an error is averaged."""

    images: int | None
    side: int
    epochs: int
    grid_epochs: int
    seeds: int
    window: int


EXTENTS = {
    "smoke": Extent(images=100, side=16, epochs=1, grid_epochs=1, seeds=1, window=1),
    "cpu": Extent(images=8000, side=16, epochs=6, grid_epochs=2, seeds=3, window=25),
    "gpu": Extent(images=None, side=32, epochs=60, grid_epochs=10, seeds=5, window=200),
}


def net_of(way: str) -> nn.Module:
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


@shared
def trained(way: str, rate: float, epochs: int, seed: int, setting: Setting) -> Outcome:
    """Return one training at one learning rate throughout, in the paper's batches of 32."""
    extent = EXTENTS[setting.scale]
    recipe = plain_recipe(
        epochs=epochs,
        lr=rate,
        augment={"flip": 0.5},
    )
    return train_once(
        lambda: net_of(way),
        setting,
        recipe=recipe,
        seed=seed,
        train_images=extent.images,
        test_images=1000,
        size=extent.side,
    )


@shared
def best_rate(setting: Setting) -> float:
    """Return the rate at which the plain network gets furthest, as the paper's own was chosen."""
    extent = EXTENTS[setting.scale]

    def led_to(rate: float) -> float:
        found = trained("plain", rate, extent.grid_epochs, OTHER - 1, setting)
        return found.train_errors[-1] if found.finite else math.inf

    return min(RATES, key=led_to)


def fewer_steps(way: str, times: float) -> Callable[[Setting], Measurement]:
    """Return the measurement of the plain network's steps over another's, to the same error.

    The error is the one that the plain network of that seed has in its last steps. A network that
    does not come to it counts as 0.

    Args:
        way: word of `net_of`.
        times: its learning rate over the best of the plain network.
    """

    def measured(setting: Setting) -> Measurement:
        extent, rate = EXTENTS[setting.scale], best_rate(setting)
        ratios: list[float] = []
        plain: list[Outcome] = []
        others: list[Outcome] = []
        for seed in range(extent.seeds):
            plain.append(trained("plain", rate, extent.epochs, seed, setting))
            others.append(trained(way, times * rate, extent.epochs, seed, setting))
            errors, window = plain[-1].step_errors, extent.window
            target = math.fsum(errors[-window:]) / window
            needed = [
                steps_to(target, found.step_errors, window=window)
                for found in (plain[-1], others[-1])
            ]
            ratios.append(needed[0] / needed[1])
        value, low, high = mean_interval(ratios)
        table = (*rows("plain", plain), *rows(f"{way}, x{times:g}", others))
        note = f"the best rate of the plain network is {rate}"
        return Measurement(value=value, low=low, high=high, table=table, note=note)

    return measured


PROTOCOL = (
    "In place of Inception on ImageNet: eight 3x3 convolutions of 32 and 64 channels with "
    "rectifiers on CIFAR-10, He's weights, SGD with momentum in batches of 32 at a constant rate; "
    f"that of the plain network is the best of {', '.join(map(str, RATES))} after a third of the "
    "time. Counted are the steps until the error of the images that come by, as a running mean, "
    "is the plain network's at its end; the paper counts validation accuracy. {} At the cpu scale "
    "8,000 images of 16 pixels, 6 epochs, 3 seeds; at the gpu scale 45,000 of 32 pixels, 60 "
    "epochs, 5 seeds: 20 trainings, about 2 hours on an H100, bound by calls."
)
SHARED: dict[str, Any] = {
    "unit": "steps without / steps with",
    "needs": Needs(data=("cifar10",)),
    "scales": ("smoke", "cpu", "gpu"),
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
        control=Control(
            "the norms keep gains and offsets but normalise by 0 and 1 throughout",
            fewer_steps("idle", 1.0),
        ),
        **SHARED,
    ),
)
