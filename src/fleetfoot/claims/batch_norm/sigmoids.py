"""Batch normalisation on MNIST: networks of sigmoids, shallow and deep.

Paper    Ioffe, Szegedy, ICML 2015, arXiv:1502.03167: section 4.1 and figure 1 (three layers of 100
         sigmoids), section 4.2.2 (an Inception of sigmoids is at chance without batch norm, 0.1 %
         right, and 69.8 % right with it)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Measurement, Needs, Setting
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.claims.training_gain import OTHER, Extent, gain, outcomes
from fleetfoot.nets.mnist_sigmoid import MNISTSigmoid, MNISTSigmoidSpec

SHALLOW, DEEP = 3, 10  # layers of 100 sigmoids
RATE = 0.1
RATES = (0.01, 0.1, 1.0)  # of which the deep network without norms gets the best

EXTENTS = {
    "smoke": Extent(train_images=100, test_images=100, epochs=1, seeds=1),
    "cpu": Extent(train_images=None, test_images=None, epochs=11, seeds=2),
    "gpu": Extent(train_images=None, test_images=None, epochs=55, seeds=5),
}
DEEP_EXTENTS = {
    "smoke": EXTENTS["smoke"],
    "cpu": Extent(train_images=20_000, test_images=None, epochs=5, seeds=3),
    "gpu": Extent(train_images=None, test_images=None, epochs=20, seeds=5),
}


class IdleNorm(nn.BatchNorm2d):
    """A batch norm that learns its gains and offsets, and never looks at a batch."""

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def idle(net: nn.Module) -> nn.Module:
    """Return the network with an `IdleNorm` in the place of each batch norm, in place."""
    for path, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            net.set_submodule(path, IdleNorm(module.num_features))
    return net


def net_of(way: str, layers: int) -> nn.Module:
    """Return so many layers of 100 sigmoids: "plain", "norm", or "idle" norms."""
    net = MNISTSigmoid(MNISTSigmoidSpec(norm=way != "plain", channels=(100,) * layers), 10)
    return idle(net) if way == "idle" else net


@shared
def trained(way: str, layers: int, rate: float, seed: int, setting: Setting) -> Outcome:
    """Return one training by plain gradient descent in batches of 60."""
    extent = (EXTENTS if layers == SHALLOW else DEEP_EXTENTS)[setting.scale]
    recipe = plain_recipe(
        epochs=extent.epochs,
        batch=60,
        lr=rate,
        momentum=0.0,
        precision="float32",
    )
    return train_once(
        lambda: net_of(way, layers),
        setting,
        data="mnist",
        recipe=recipe,
        seed=seed,
        train_images=extent.train_images,
        test_images=extent.test_images,
    )


def shallow_gain(way: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of what norms, real or idle, give after equally many steps."""

    def measured(setting: Setting) -> Measurement:
        seeds = EXTENTS[setting.scale].seeds
        before, after = (
            outcomes(lambda seed, net=net: trained(net, SHALLOW, RATE, seed, setting), seeds)
            for net in ("plain", way)
        )
        return gain(before, after, names=("plain", way))

    return measured


def deep_gain(way: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of what norms give ten layers, whose plain form gets its best rate."""

    def measured(setting: Setting) -> Measurement:
        seeds = DEEP_EXTENTS[setting.scale].seeds
        tried = {
            rate: trained("plain", DEEP, rate, OTHER - 1, setting).test_error for rate in RATES
        }
        best = min(tried, key=lambda rate: tried[rate])
        before = outcomes(lambda seed: trained("plain", DEEP, best, seed, setting), seeds)
        after = outcomes(lambda seed: trained(way, DEEP, RATE, seed, setting), seeds)
        note = f"without norms the best rate is {best}, with them it is {RATE}"
        return replace(gain(before, after, names=("plain", way)), note=note)

    return measured


SHARED: dict[str, Any] = {
    "unit": "points of test error",
    "control_sentence": "the norms keep gains and offsets but normalise by 0 and 1 throughout",
    "needs": Needs(data=("mnist",)),
    "scales": ("smoke", "cpu", "gpu"),
}

CLAIMS = (
    Claim(
        id="batchnorm/mnist",
        paper="arXiv:1502.03167, section 4.1 and figure 1",
        sentence="With batch norms three layers of sigmoids get more test images of MNIST right "
        "after equally many steps at one learning rate.",
        protocol="Three layers of 100 sigmoids, batches of 60 as in the paper, gradient descent at "
        "a rate of 0.1 for both, on grey images (the paper's are binary). Neither its rate nor a "
        "figure is given; ours is the fall of the test error, one of each seed. At the cpu scale "
        "10,000 steps, 2 seeds; at the gpu scale the paper's 50,000, 5 seeds: 10 trainings, about "
        "15 minutes, bound by calls.",
        paper_value=None,
        measure=shallow_gain("norm"),
        rule=at_least(1.0, 0.3),
        control=shallow_gain("idle"),
        **SHARED,
    ),
    Claim(
        id="batchnorm/deep-sigmoids",
        paper="arXiv:1502.03167, section 4.2.2",
        sentence="A deep network of sigmoids learns nothing without batch norms and much with "
        "them.",
        protocol="In place of an Inception of sigmoids on ImageNet (69.8 % against 0.1 % right): "
        "ten layers of 100 sigmoids on MNIST, gradient descent in batches of 60; without norms at "
        f"the best of {', '.join(map(str, RATES))}, with them at {RATE}. At the cpu scale 20,000 "
        "images, 5 epochs, 3 seeds, the rate without norms chosen by test error, in favour of "
        "what is to lose; at the gpu scale 55,000, 20 epochs, 5 seeds: 13 trainings, about 15 "
        "minutes, bound by calls.",
        paper_value=69.7,
        measure=deep_gain("norm"),
        rule=at_least(69.7, 30.0),
        control=deep_gain("idle"),
        **SHARED,
    ),
)
