"""AlexNet, figure 1: how much sooner a network of rectifiers learns than one of tanh.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3.1 and figure 1, which does not tell the
         sizes of its four-layer network: the 26 % net of cuda-convnet stands in
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, mean_interval, train_once
from fleetfoot.claims.training_gain import OTHER, rows, steps_to
from fleetfoot.nets.create import create

if TYPE_CHECKING:  # a bare machine need not have what decodes pictures
    from fleetfoot.train.recipe import Recipe

NET = "cuda_convnet_26"
TARGET = 25.0  # percent of the training images, wrong
RATES = (0.0003, 0.001, 0.003)  # 0.001 is the layer file's
PATIENCE = 8  # times as long as a network of rectifiers, at most
PIXELS = {"std": (1.0, 1.0, 1.0)}  # the first weights are for images in 0-255 units


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is trained at a scale; `grid_*` is for the choice of a learning rate."""

    images: int | None
    epochs: int
    batch: int
    seeds: int
    grid_images: int
    grid_epochs: int


EXTENTS = {
    "smoke": Extent(images=100, epochs=1, batch=32, seeds=1, grid_images=100, grid_epochs=1),
    "cpu": Extent(images=3000, epochs=40, batch=32, seeds=2, grid_images=1000, grid_epochs=4),
    "gpu": Extent(images=None, epochs=100, batch=128, seeds=5, grid_images=10_000, grid_epochs=5),
}


def recipe_at(rate: float, extent: Extent, epochs: int) -> "Recipe":
    """Return training without any regularisation, at one learning rate throughout."""
    return plain_recipe(epochs=epochs, batch=extent.batch, lr=rate, bias_lr=2.0)


def net_of(act: str) -> nn.Module:
    """Return the network with one activation throughout."""
    return create(NET, num_classes=10, act=act)


@shared
def best_rate(act: str, setting: Setting) -> float:
    """Return the learning rate that leads lowest on few images: what is fastest for each."""
    extent = EXTENTS[setting.scale]
    errors: dict[float, float] = {}
    for rate in RATES:
        found = train_once(
            lambda: net_of(act),
            setting,
            recipe=recipe_at(rate, extent, extent.grid_epochs),
            seed=OTHER - 1,
            train_images=extent.grid_images,
            test_images=100,
            pixels=PIXELS,
        )
        errors[rate] = found.train_errors[-1] if found.finite else math.inf
    return min(errors, key=lambda rate: errors[rate])


@shared
def to_target(act: str, seed: int, epochs: int, setting: Setting) -> Outcome:
    """Train until a whole epoch has no more than `TARGET` wrong, for so many epochs at most."""
    extent = EXTENTS[setting.scale]
    return train_once(
        lambda: net_of(act),
        setting,
        recipe=recipe_at(best_rate(act, setting), extent, epochs),
        seed=seed,
        train_images=extent.images,
        test_images=1000,
        pixels=PIXELS,
        stop=lambda errors: errors[-1] <= TARGET,
    )


def epochs_to(target: float, outcome: Outcome) -> float:
    """Return after how many epochs the mean error of an epoch's steps reached a target.

    Infinity if it never did.
    """
    per_epoch = max(1, len(outcome.step_errors) // max(1, len(outcome.train_errors)))
    return steps_to(target, outcome.step_errors, window=per_epoch) / per_epoch


def sooner(act: str, first_seed: int = 0) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many times as long an activation takes as rectifiers do.

    Args:
        act: of the other network.
        first_seed: of its trainings.
    """

    def measured(setting: Setting) -> Measurement:
        extent = EXTENTS[setting.scale]
        ratios: list[float] = []
        slow: list[Outcome] = []
        fast: list[Outcome] = []
        for seed in range(extent.seeds):
            relu = to_target("relu", seed, extent.epochs, setting)
            least = min(epochs_to(TARGET, relu), float(extent.epochs))
            limit = math.ceil(PATIENCE * least)
            other = to_target(act, first_seed + seed, limit, setting)
            # Rectifiers that do not arrive are not sooner than anything.
            arrived = relu.finite and relu.train_errors[-1] <= TARGET
            ratios.append(min(epochs_to(TARGET, other), limit) / least if arrived else 1.0)
            fast.append(relu)
            slow.append(other)
        value, low, high = mean_interval(ratios)
        return Measurement(
            value=value,
            low=low,
            high=high,
            table=(*rows("relu", fast), *rows(act, slow)),
            note=_note(act, (*fast, *slow), setting),
        )

    return measured


def _note(act: str, found: Sequence[Outcome], setting: Setting) -> str:
    rates = f"learning rates: relu {best_rate('relu', setting)}, {act} {best_rate(act, setting)}"
    late = sum(not outcome.finite or outcome.train_errors[-1] > TARGET for outcome in found)
    return f"{rates}; {late} of {len(found)} trainings ended above {TARGET:.0f} %"


CLAIMS = (
    Claim(
        id="alexnet/relu-tanh",
        paper="NIPS 2012, section 3.1 and figure 1",
        sentence="A network of rectifiers comes to 25 % error on the training images of CIFAR-10 "
        "in a sixth of the epochs that the same network of tanh takes.",
        protocol="In place of the paper's network, whose sizes are not told: the 26 % net of "
        "cuda-convnet, with its first weights, on pixels less their mean, without regularisation "
        "or augmentation, AlexNet's update rule at a constant rate. The rate is chosen for each "
        f"activation from {', '.join(map(str, RATES))} by the training error that it leads to on "
        "fewer images. Counted are the steps until the mean error of an epoch's steps, as the "
        "images come by, is at most 25 %; a network of tanh is given 8 times what the rectifiers "
        "took. That of tanh is the edge of the list at the cpu scale, so that a higher one might "
        "serve it better. At the cpu scale 3,000 images in batches of 32, 2 seeds; at the gpu "
        "scale all 45,000 in batches of 128, 5 seeds: about 15 minutes on an H100.",
        unit="epochs with tanh / epochs with ReLU",
        paper_value=6.0,
        measure=sooner("tanh"),
        rule=at_least(6.0, 2.0),
        control=Control(
            "the rectifiers stay: the same network again, from other seeds", sooner("relu", OTHER)
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
)
