"""AlexNet, figure 1: how much sooner a network of rectifiers learns than one of tanh.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3.1 and figure 1, which does not tell the
         sizes of its four-layer network: the 26 % net of cuda-convnet stands in
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import OTHER, Comparison, Effort, points, rows, steps_to
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.training import Outcome
from fleetfoot.nets.create import create
from fleetfoot.train.recipe import Recipe

NET = "cuda_convnet_26"
TARGET = 25.0  # percent of the training images, wrong
RATES = (0.0003, 0.001, 0.003)  # 0.001 is the layer file's
PATIENCE = 8  # times as long as a network of rectifiers, at most


def network(act: str, _: Scale) -> nn.Module:
    """Return the network with one activation throughout."""
    return create(NET, num_classes=10, act=act)


def recipe(_: str, scale: Scale) -> Recipe:
    """Return training without any regularisation, at one learning rate throughout."""
    return plain_recipe(batch=128 if scale in ("long", "gpu") else 32, bias_lr=2.0)


NETS = Comparison(
    network=network,
    recipe=recipe,
    efforts={
        "cpu": Effort(seeds=2, epochs=40, train_images=3000, test_images=1000),
        "gpu": Effort(seeds=5, epochs=100, test_images=1000),
    },
    pixels={"std": (1.0, 1.0, 1.0)},  # the first weights are for images in 0-255 units
)
# On few images, for the choice of a learning rate.
GRID = replace(
    NETS,
    efforts={
        "cpu": Effort(seeds=1, epochs=4, train_images=1000, test_images=100),
        "gpu": Effort(seeds=1, epochs=5, train_images=10_000, test_images=100),
    },
)


def best_rate(act: str, setting: Setting) -> float:
    """Return the learning rate that leads lowest on few images: what is fastest for each."""
    return GRID.best_rate(act, RATES, setting)


def arrived(errors: Sequence[float]) -> bool:
    """Return whether a whole epoch had no more than `TARGET` wrong."""
    return errors[-1] <= TARGET


def to_target(act: str, seed: int, epochs: int, setting: Setting) -> Outcome:
    """Train until it has `arrived`, for this many epochs at most."""
    rate = best_rate(act, setting)
    return NETS.train(act, setting, seed=seed, stop=arrived, lr=rate, epochs=epochs)


def epochs_to(target: float, outcome: Outcome) -> float:
    """Return after how many epochs the mean error of an epoch's steps reached a target.

    Infinity if it never did.
    """
    per_epoch = max(1, len(outcome.step_errors) // max(1, len(outcome.train_errors)))
    return steps_to(target, outcome.step_errors, window=per_epoch) / per_epoch


@measured
def sooner(setting: Setting, act: str, first_seed: int = 0) -> Measurement:
    """Return how many times as long an activation takes as rectifiers do.

    Args:
        act: of the other network.
        first_seed: of its trainings.
    """
    effort = NETS.effort(setting)
    ratios: list[float] = []
    slow: list[Outcome] = []
    fast: list[Outcome] = []
    for seed in range(effort.seeds):
        relu = to_target("relu", seed, effort.epochs, setting)
        least = min(epochs_to(TARGET, relu), float(effort.epochs))
        limit = math.ceil(PATIENCE * least)
        other = to_target(act, first_seed + seed, limit, setting)
        # Rectifiers that do not arrive are not sooner than anything.
        won = relu.finite and arrived(relu.train_errors)
        ratios.append(min(epochs_to(TARGET, other), limit) / least if won else 1.0)
        fast.append(relu)
        slow.append(other)
    table = (*rows("relu", fast), *rows(act, slow))
    return replace(points(ratios), table=table, note=_note(act, (*fast, *slow), setting))


def _note(act: str, found: Sequence[Outcome], setting: Setting) -> str:
    rates = f"learning rates: relu {best_rate('relu', setting)}, {act} {best_rate(act, setting)}"
    late = sum(not (outcome.finite and arrived(outcome.train_errors)) for outcome in found)
    return f"{rates}; {late} of {len(found)} trainings ended above {TARGET:.0f} %"


CLAIMS = (
    Claim(
        id="alexnet/relu-tanh",
        paper="NIPS 2012, section 3.1 and figure 1",
        sentence="A network of rectifiers comes to 25 % error on the training images of CIFAR-10 "
        "in a sixth of the epochs that the same network of tanh takes.",
        protocol="Instead of the paper's network, whose sizes are not told: the 26 % net of "
        "cuda-convnet, with its first weights, on pixels less their mean, without regularisation "
        "or augmentation, AlexNet's update rule at a constant rate. The rate is chosen for each "
        f"activation from {', '.join(map(str, RATES))} by the training error that it leads to on "
        "fewer images. Counted are the steps until the mean error of an epoch's steps, as the "
        "images come by, is at most 25 %; a network of tanh is given 8 times what the rectifiers "
        "took. That of tanh is the edge of the list at the cpu scale, so that a higher one might "
        "serve it better. Batches of 32; at the long and gpu scales of 128, about 15 minutes on an "
        "H100.",
        unit="epochs with tanh / epochs with ReLU",
        paper_value=6.0,
        measure=sooner("tanh"),
        rule=at_least(6.0, 2.0),
        control=Control(
            "the rectifiers stay: the same network again, from other seeds", sooner("relu", OTHER)
        ),
        footing=everywhere("stand-in"),
        needs=NETS.needs(),
    ),
)
