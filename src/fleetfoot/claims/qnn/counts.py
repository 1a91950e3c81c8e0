"""QNN: sizes of its networks, what bits save, and what the first layer leaves of a speed-up.

Paper    Hubara et al., 2016, arXiv:1609.07061: section 5 (networks; memory), the MNIST network 7
         times as fast with a kernel that is 23 times as fast. Counts of weights were made for the
         sheet from the layers of the paper and its code
"""

import torch
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.deviation import worst_deviation
from fleetfoot.claims.rules import at_most, within
from fleetfoot.measure.counts import count
from fleetfoot.nets.create import create, skeleton
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear

WEIGHTS = {
    "bnn_mnist": 10_014_720,
    "bnn_mnist_4096": 36_806_656,
    "bnn_cifar10": 14_022_016,
    "bnn_svhn": 6_397_632,
    "bnn_alexnet": 77_160_512,
}
KERNEL = 23.0  # times as fast as the plain one, in the paper
BITS_OF_FLOAT = 32


def binary_weights(net: nn.Module) -> dict[str, int]:
    """Return how many weights of one bit each binary layer has, by its path."""
    return {
        path: layer.weight.numel()
        for path, layer in net.named_modules()
        if isinstance(layer, (BinaryConv2d, BinaryLinear))
    }


@measured
def worst_count(_: Setting, *, without_pools: bool = False) -> Measurement:
    """Return the largest deviation of a network's weights from the sheet's, in per cent."""
    more = {"hidden.0.linear": 4 if without_pools else 1}  # reads the last map
    ours = {
        name: sum(n * more.get(path, 1) for path, n in binary_weights(skeleton(name)).items())
        for name in WEIGHTS
    }
    return worst_deviation(WEIGHTS, ours)


@measured
def saved_memory(setting: Setting, bits: int) -> Measurement:
    """Return how many times smaller the inner weights of the MNIST network are, packed.

    Args:
        bits: that a weight takes; 1 packs, 8 keeps a byte for each.
    """
    from fleetfoot.passes.pack_binary import pack_binary

    name = "bnn_mnist" if setting.scale == "smoke" else "bnn_mnist_4096"
    net = create(name, in_chans=1).eval()
    packed = pack_binary(net, (1, 28, 28))
    inner = sum(n for path, n in binary_weights(net).items() if path in packed.packed)
    held = packed.net.bit_bytes * bits
    row = {"network": name, "weights": inner, "float32_bytes": 4 * inner, "held_bytes": held}
    return Measurement(value=4 * inner / held, table=(row,))


@measured
def whole_speed_up(_: Setting, *, first_too: bool = False) -> Measurement:
    """Return how much faster the MNIST network gets by a kernel that all but the first layer use.

    Args:
        first_too: the first layer uses it, too.
    """
    with torch.device("meta"):
        counts = count(skeleton("bnn_mnist_4096"), (1, 28, 28))
    macs = {record.path: record.macs for record in counts.records if record.macs}
    first = 0.0 if first_too else next(iter(macs.values())) / sum(macs.values())
    row = {"share_of_the_first_layer": first, "kernel": KERNEL}
    return Measurement(value=1 / (first + (1 - first) / KERNEL), table=(row,))


EXACT = at_cpu("as published")
CLAIMS = (
    Claim(
        id="qnn/weights",
        paper="arXiv:1609.07061, section 5",
        sentence="The networks for MNIST, CIFAR-10, SVHN and ImageNet have 10.0 and 36.8, 14.0, "
        "6.4 and 77.2 million binary weights.",
        protocol="Weights of the binary layers of our networks against counts made by hand from "
        "the layers that the paper and its code name; the largest deviation.",
        unit="% largest deviation of five networks",
        paper_value=0.0,
        measure=worst_count(),
        rule=at_most(0.0, 0.5),
        control=Control("the last pool is left out", worst_count(without_pools=True)),
        **EXACT,
    ),
    Claim(
        id="qnn/memory",
        paper="arXiv:1609.07061, section 5.5 (memory, and figure 3)",
        sentence="Binary weights take 32 times less memory than float32.",
        protocol="The perceptron of 3 x 4096, packed as it is deployed: bytes of the packed "
        "weights of the layers that read bits, against four bytes for each. The first layer, which "
        "reads pixels, stays in float32 and is not counted.",
        unit="times smaller",
        paper_value=float(BITS_OF_FLOAT),
        measure=saved_memory(1),
        rule=within(float(BITS_OF_FLOAT), reproduced=0.03, partly=0.1),
        control=Control("each sign keeps a byte", saved_memory(8)),
        **EXACT,
    ),
    Claim(
        id="qnn/first-layer-bound",
        paper="arXiv:1609.07061, section 5.5: 23 times for the kernel, 7 times for the network",
        sentence="A kernel 23 times as fast makes the MNIST network only 7 times as fast, since "
        "the first layer reads pixels and does not use it.",
        protocol="Amdahl's bound from our counts of the 3 x 4096 perceptron: the first layer at "
        "the old speed, all others 23 times as fast. Reproduced within 15 % of the paper's 7, "
        "partly within 30 %.",
        unit="times as fast",
        paper_value=7.0,
        measure=whole_speed_up(),
        rule=within(7.0, reproduced=0.15, partly=0.3),
        control=Control("the first layer uses the kernel, too", whole_speed_up(first_too=True)),
        **EXACT,
    ),
)
