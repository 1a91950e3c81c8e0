"""AlexNet, section 4.2: dropout against over-fitting, where there are few images.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, section 4.2: without dropout the network
         over-fits substantially; no figure is given
"""

import torch
from torch import Tensor, nn

from fleetfoot.claims.alexnet.small_nets import PIXELS, SIDE, update_rule
from fleetfoot.claims.claim import Claim, Control, Scale, everywhere
from fleetfoot.claims.comparison import Comparison, Effort
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.rules import FITS, at_least
from fleetfoot.nets.cuda_convnet import NET_26, CudaConvnet, CudaConvnetSpec

HIDDEN, RATE = 512, 0.5


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


def network(way: str, _: Scale) -> nn.Module:
    """Return the network without dropout ("none"), with it ("dropout"), or with a fixed mask."""
    spec = CudaConvnetSpec(layers=NET_26, size=SIDE, hidden=HIDDEN)
    net = CudaConvnet(spec, 10, dropout=RATE if way == "dropout" else 0.0)
    if way == "mask":
        net.dropout = FixedMask(HIDDEN, RATE)
    return he_weights(net)


NETS = Comparison(
    network=network,
    recipe=lambda _, scale: update_rule(scale),
    efforts={
        "cpu": Effort(seeds=3, epochs=20, size=SIDE, train_images=2000, test_images=3000),
        "gpu": Effort(seeds=5, epochs=60, size=SIDE, train_images=20_000),
    },
    pixels=PIXELS,
)

CLAIMS = (
    Claim(
        id="alexnet/dropout",
        paper="NIPS 2012, section 4.2",
        sentence="Without dropout in its fully connected layers the network over-fits "
        "substantially: dropout lowers its test error.",
        protocol="The convolutions of cuda-convnet's 26 % net and one hidden layer of 512 with "
        "dropout 0.5 behind it, on the 24-pixel centres of images of CIFAR-10 without "
        "augmentation, with AlexNet's update rule and He's weights. The paper gives no "
        "figure; ours is the fall of the test error, one of each seed. About 20 minutes on an "
        "H100. Both get equally many steps, where the paper says that dropout needs twice as many.",
        unit="points of test error",
        measure=NETS.gain("none", "dropout"),
        rule=at_least(1.0, 0.5),
        control=Control(
            "the same half of the hidden units is left out throughout: no chance",
            NETS.gain("none", "mask"),
        ),
        footing=everywhere("stand-in"),
        needs=NETS.needs(FITS),
    ),
)
