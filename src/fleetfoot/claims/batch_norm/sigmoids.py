"""Batch normalisation on MNIST: networks of sigmoids, shallow and deep.

Paper    Ioffe, Szegedy, ICML 2015, arXiv:1502.03167: section 4.1 and figure 1 (three layers of 100
         sigmoids), section 4.2.2 (an Inception of sigmoids is at chance without batch norm, 0.1 %
         right, and 69.8 % right with it)
"""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, everywhere, measured
from fleetfoot.claims.comparison import OTHER, Comparison, Effort, compared
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import above, at_least
from fleetfoot.core.surgery import swap_modules
from fleetfoot.nets.mnist_sigmoid import MNISTSigmoid, MNISTSigmoidSpec

RATE = 0.1
RATES = (0.01, 0.1, 1.0)  # of which the deep network without norms gets the best


class IdleNorm(nn.BatchNorm2d):
    """A batch norm that learns its gains and offsets, and never looks at a batch."""

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def idle(net: nn.Module) -> nn.Module:
    """Return the network with an `IdleNorm` for each batch norm, in place."""
    norms = (nn.BatchNorm2d,)
    return swap_modules(net, norms, lambda _, norm: IdleNorm(norm.num_features)).model


def sigmoids(way: str, *, layers: int) -> nn.Module:
    """Return layers of 100 sigmoids: "plain", "norm", or "idle" norms."""
    net = MNISTSigmoid(MNISTSigmoidSpec(norm=way != "plain", channels=(100,) * layers), 10)
    return idle(net) if way == "idle" else net


SHALLOW = Comparison(
    network=lambda way, _: sigmoids(way, layers=3),
    recipe=plain_recipe(batch=60, lr=RATE, momentum=0.0, precision="float32"),
    efforts={
        "cpu": Effort(seeds=2, epochs=11),
        "gpu": Effort(seeds=5, epochs=55),
    },
    data="mnist",
)
DEEP = replace(
    SHALLOW,
    network=lambda way, _: sigmoids(way, layers=10),
    efforts={
        "cpu": Effort(seeds=3, epochs=5, train_images=20_000),
        "gpu": Effort(seeds=5, epochs=20),
    },
)


@measured
def deep_gain(setting: Setting, way: str) -> Measurement:
    """Return what norms give ten layers, whose plain form gets its best rate."""
    best = min(
        RATES,
        key=lambda rate: DEEP.train("plain", setting, seed=OTHER - 1, lr=rate).test_error,
    )
    before = DEEP.trainings("plain", setting, lr=best)
    found = compared(before, DEEP.trainings(way, setting), names=("plain", way))
    note = f"without norms the best rate is {best}, with them it is {RATE}"
    return replace(found, note=note)


IDLE = "the norms keep gains and offsets but normalise by 0 and 1 throughout"
UNIT = "points of test error"

CLAIMS = (
    Claim(
        id="batchnorm/mnist",
        paper="arXiv:1502.03167, section 4.1 and figure 1",
        sentence="With batch norms three layers of sigmoids get more test images of MNIST right "
        "after equally many steps at one learning rate.",
        protocol="Three layers of 100 sigmoids, batches of 60 as in the paper, gradient descent at "
        "a rate of 0.1 for both, on grey images (the paper's are binary). Neither its rate nor a "
        "figure is given; the value is the fall of the test error, one of each seed, reproduced "
        "above 0. At the cpu scale 10,000 steps; at the long and gpu scales the paper's 50,000, "
        "about 15 minutes, bound by calls.",
        needs=SHALLOW.needs(),
        measure=SHALLOW.gain("plain", "norm"),
        rule=above(0.0),
        control=Control(IDLE, SHALLOW.gain("plain", "idle")),
        footing=everywhere("scaled"),
        unit=UNIT,
    ),
    Claim(
        id="batchnorm/deep-sigmoids",
        paper="arXiv:1502.03167, section 4.2.2",
        sentence="A deep network of sigmoids learns nothing without batch norms and much with "
        "them.",
        protocol="Instead of an Inception of sigmoids on ImageNet (69.8 % against 0.1 % right): "
        "ten layers of 100 sigmoids on MNIST, gradient descent in batches of 60; without norms at "
        f"the best of {', '.join(map(str, RATES))}, with them at {RATE}. The rate without "
        "norms is chosen by test error, in favour of what is to lose. About 15 minutes on an "
        "accelerator, bound by calls.",
        needs=DEEP.needs(),
        paper_value=69.7,
        measure=deep_gain("norm"),
        rule=at_least(69.7, 30.0),
        control=Control(IDLE, deep_gain("idle")),
        footing=everywhere("stand-in"),
        unit=UNIT,
    ),
)
