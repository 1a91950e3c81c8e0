"""AlexNet, section 4.2: dropout against over-fitting, where there are few images.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, section 4.2: without dropout the network
         over-fits substantially; no figure is given
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import Outcome, train_once
from fleetfoot.claims.training_gain import Extent, gain, outcomes
from fleetfoot.nets.cuda_convnet import NET_26, CudaConvnet, CudaConvnetSpec

SIDE, HIDDEN, RATE = 24, 512, 0.5
EXTENTS = {
    "smoke": Extent(train_images=100, test_images=100, epochs=1, seeds=1),
    "cpu": Extent(train_images=2000, test_images=3000, epochs=20, seeds=3),
    "gpu": Extent(train_images=20_000, epochs=60, seeds=5),
}
PIXELS = {"crop_fraction": SIDE / 32}  # the centre of 32


class FixedMask(nn.Module):
    """Dropout whose choice is made once: the same features are left out of everything.

    Args:
        features: how many there are.
        rate: share of them that is left out; the others are scaled up as in dropout.
        positions: axes behind that of the features: 2 for maps.
    """

    def __init__(self, features: int, rate: float, *, positions: int = 0) -> None:
        super().__init__()
        kept = torch.arange(features) >= round(rate * features)
        mask = kept.view(-1, *[1] * positions).float() / (1 - rate)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.get_buffer("mask")


def net_of(way: str) -> nn.Module:
    """Return the network without dropout ("none"), with it ("dropout"), or with a fixed mask."""
    spec = CudaConvnetSpec(layers=NET_26, size=SIDE, hidden=HIDDEN)
    net = CudaConvnet(spec, 10, dropout=RATE if way == "dropout" else 0.0)
    if way == "mask":
        net.dropout = FixedMask(HIDDEN, RATE)
    return he_weights(net)


@shared
def trained(way: str, seed: int, setting: Setting) -> Outcome:
    """Return one training of `net_of`."""
    extent = EXTENTS[setting.scale]
    recipe = plain_recipe(
        epochs=extent.epochs,
        batch=128 if setting.scale == "gpu" else 32,
        lr=0.01,
        bias_lr=2.0,
        weight_decay=0.0005,
        milestones=(0.8,),
    )
    return train_once(
        lambda: net_of(way),
        setting,
        recipe=recipe,
        seed=seed,
        train_images=extent.train_images,
        test_images=extent.test_images,
        size=SIDE,
        pixels=PIXELS,
    )


def gained(way: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of how far the error falls from no dropout to another way."""

    def measured(setting: Setting) -> Measurement:
        seeds = EXTENTS[setting.scale].seeds
        without = outcomes(lambda seed: trained("none", seed, setting), seeds)
        changed = outcomes(lambda seed: trained(way, seed, setting), seeds)
        return gain(without, changed, names=("none", way))

    return measured


CLAIMS = (
    Claim(
        id="alexnet/dropout",
        paper="NIPS 2012, section 4.2",
        sentence="Without dropout in its fully connected layers the network over-fits "
        "substantially: dropout lowers its test error.",
        protocol="The convolutions of cuda-convnet's 26 % net and one hidden layer of 512 with "
        "dropout 0.5 behind it, on the 24-pixel centres of images of CIFAR-10 without "
        "augmentation, with AlexNet's update rule and He's weights. The paper gives no "
        "figure; ours is the fall of the test error, one of each seed. At the cpu scale 2,000 "
        "images for 20 epochs and 3 seeds, judged on 3,000; at the gpu scale 20,000 for 60 epochs, "
        "5 seeds: 10 trainings, about 20 minutes on an H100. Both get equally many steps, where "
        "the paper says that dropout needs twice as many.",
        unit="points of test error",
        paper_value=None,
        measure=gained("dropout"),
        rule=at_least(1.0, 0.5),
        control=Control(
            "the same half of the hidden units is left out throughout: no chance", gained("mask")
        ),
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
)
