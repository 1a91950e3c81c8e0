"""All-CNN: what strided convolutions instead of max pools do to the error, and to the time.

Paper    Springenberg et al., ICLR 2015 workshop, arXiv:1412.6806, table 3, model C on CIFAR-10
         without augmentation: 9.74 % wrong with pools, 10.19 % with strides instead of them, 9.31 %
         with one more layer in front of each pool, 9.08 % with a strided layer for each pool
"""

from dataclasses import replace
from typing import Any

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, Effort
from fleetfoot.claims.he_weights import he_weights
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least, at_most, within
from fleetfoot.claims.timing import native, network_ms, rows_of, times_as_long
from fleetfoot.measure.counts import count
from fleetfoot.nets.allcnn import AllCNN, Form, cifar_spec
from fleetfoot.train.recipe import Recipe

IMAGE = (3, 32, 32)  # that is timed
# By which the published channels are divided.
DIVISORS: dict[Scale, int] = {"smoke": 8, "cpu": 4, "long": 2, "gpu": 1}


def network(form: str, scale: Scale) -> nn.Module:
    """Return model C in the `Form` of a name, its channels divided, with He's weights."""
    spec = cifar_spec("c", Form[form.upper()])
    stages = tuple(
        tuple(layer._replace(channels=layer.channels // DIVISORS[scale]) for layer in stage)
        for stage in spec.stages
    )
    return he_weights(AllCNN(replace(spec, stages=stages), 10, logit_relu=False))


def half_cosine(scale: Scale, *, weight_decay: float) -> Recipe:
    """Return half a cosine, without augmentation."""
    large = scale in ("long", "gpu")
    return plain_recipe(
        batch=128 if large else 32,
        lr=0.05 if large else 0.02,
        weight_decay=weight_decay,
        schedule="cosine",
        warmup=0.05,
    )


FORMS = Comparison(
    network=network,
    recipe=lambda _, scale: half_cosine(scale, weight_decay=0.001),
    efforts={
        "cpu": Effort(seeds=3, epochs=10, size=24, train_images=5000, test_images=3000),
        "long": Effort(seeds=5, epochs=75),
        "gpu": Effort(seeds=5, epochs=150),
    },
)


@measured
def time_share(setting: Setting, name: str) -> Measurement:
    """Return a form's time over that with pools and as many layers."""
    nets = {"allcnn_c_convpool": native("allcnn_c_convpool"), name: native(name)}
    if len(nets) == 1:
        nets[f"{name} again"] = native(name)
    times = network_ms(nets, IMAGE, setting)
    macs = {n: count(net, IMAGE).macs for n, net in nets.items()}
    pools, other = nets
    return times_as_long(times[other], times[pools], table=rows_of(times, "network", macs=macs))


PROTOCOL = (
    "Model C without the ReLU on its class maps, which a short training can kill, and with He's "
    "weights, with dropout as published; pixels are normalised by channel, not whitened; no "
    "augmentation, half a cosine at one rate, where the paper has one for each form. The long and "
    "gpu scales alone decide. At the gpu scale the published channels: 4 P MACs a training of "
    "the largest form, about 10 minutes each on an H100; at the long scale half of them, about 7 "
    "hours a training of the largest form; at the cpu scale a quarter, far from errors at which "
    "these forms differ."
)
SHARED: dict[str, Any] = {
    "unit": "points of test error",
    "footing": everywhere("scaled"),
    "decides_at": ("gpu",),
    "needs": FORMS.needs(),
}

CLAIMS = (
    Claim(
        id="allcnn/as-good-as-pools",
        paper="arXiv:1412.6806, table 3",
        sentence="A strided convolution for each max pool costs no accuracy: the error is not "
        "higher than that of pools behind as many layers.",
        protocol=f"All-CNN-C's error less ConvPool-CNN-C's. {PROTOCOL}",
        paper_value=-0.23,
        measure=FORMS.gain("all", "convpool"),
        rule=at_most(0.25, 0.5),
        control=Control(
            "nothing stands for the pools: the layers in front of them are strided",
            FORMS.gain("strided", "convpool"),
        ),
        **SHARED,
    ),
    Claim(
        id="allcnn/strides-alone",
        paper="arXiv:1412.6806, table 3",
        sentence="To leave the pools out and stride the layers in front of them costs 1.1 points "
        "against a strided layer of its own for each.",
        protocol=f"Strided-CNN-C's error less All-CNN-C's. {PROTOCOL}",
        paper_value=1.11,
        measure=FORMS.gain("strided", "all"),
        rule=at_least(1.1, 0.5),
        control=Control(
            "the layer of its own is there, in front of a pool", FORMS.gain("convpool", "all")
        ),
        **SHARED,
    ),
    Claim(
        id="allcnn/time",
        paper="ours, after arXiv:1412.6806, model C; the paper counts no time, the figure is that "
        "of the MACs",
        sentence="All-CNN-C takes two thirds of the time of ConvPool-CNN-C, as of its "
        "multiply-accumulates: its third layer in each stage gives a quarter of the positions.",
        protocol="The sentence is ours. Both as published at 32 px, batch 1, one thread, float32, "
        "torch eager, default layout, each in a pinned process of its own, blocks alternating. "
        "270.8 of 398.2 M MACs.",
        unit="time of All-CNN-C / time of ConvPool-CNN-C",
        paper_value=0.68,
        measure=time_share("allcnn_c"),
        rule=within(0.68, reproduced=0.1, partly=0.3),
        control=Control("ConvPool-CNN-C twice", time_share("allcnn_c_convpool")),
        footing={"cpu": "stand-in"},  # no time is published
    ),
)
