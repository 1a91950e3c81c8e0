"""AlexNet, section 3.3: what response normalisation is worth on CIFAR-10, in a fair comparison.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3.3: 13 % test error without, 11 % with.
         The layer files of these two networks differ in more than that: the 11 % net has twice the
         filters in its third layer. So each is trained with and without normalisation
"""

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, everywhere, measured
from fleetfoot.claims.comparison import Comparison, Effort, compared
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least
from fleetfoot.nets.create import create
from fleetfoot.ops.local_response_norm import LocalResponseNorm
from fleetfoot.train.recipe import Recipe

PAIRS = {"13": "13_lrn", "11_no_lrn": "11"}  # without: with
IDLE = ", idle"
SIDE = 24  # of the crops


def network(way: str, _: Scale) -> nn.Module:
    """Return a network of the family; the normalisation of an idle one divides by 1."""
    net = create(f"cuda_convnet_{way.removesuffix(IDLE)}", num_classes=10)
    for module in net.modules():
        if isinstance(module, LocalResponseNorm) and way.endswith(IDLE):
            module.alpha = 0.0
    return net


def recipe(_: str, scale: Scale) -> Recipe:
    """Return the files' recipe: a tenth of the rate for the last tenth of the time."""
    return plain_recipe(
        batch=128 if scale in ("long", "gpu") else 32,
        lr=0.001,
        bias_lr=2.0,
        weight_decay=0.001,
        milestones=(0.9,),
        augment={"crop": "inside", "flip": 0.5},
    )


NETS = Comparison(
    network=network,
    recipe=recipe,
    efforts={
        "cpu": Effort(seeds=2, epochs=4, size=SIDE, train_images=2000, test_images=1500),
        "gpu": Effort(seeds=5, epochs=120, size=SIDE),
    },
    # Pixels in 0-255 units, for which the files draw the first weights, and crops of 24 from 32.
    pixels={"std": (1.0, 1.0, 1.0), "crop_fraction": SIDE / 32},
)


@measured
def by_norm(setting: Setting, *, idle: bool) -> Measurement:
    """Return how far the error falls with normalisation, mean of both pairs."""
    before = [o for way in PAIRS for o in NETS.trainings(way, setting)]
    after = [
        o
        for way in PAIRS.values()
        for o in NETS.trainings(way + IDLE * idle, setting, other_seeds=idle)
    ]
    names = "without normalisation", "alpha 0" if idle else "with normalisation"
    return compared(before, after, names=names)


CLAIMS = (
    Claim(
        id="alexnet/response-norm-error",
        paper="NIPS 2012, section 3.3",
        sentence="Response normalisation lowers the test error of a four-layer network on "
        "CIFAR-10 from 13 to 11 %.",
        protocol="Four networks of cuda-convnet, so that nothing but the normalisation differs "
        "inside a pair: the 13 % net and the same with it, the 11 % net without it and as it is; "
        "the mean of both differences, one of each seed. Random 24-pixel crops and flips, the "
        "centre judges; the files' rates, and one weight decay of 0.001 instead of theirs, which "
        "differ by layer. The long and gpu scales alone decide: 20 networks of 0.3 G MACs and "
        "step, bound by the making of crops, about 2 hours on an H100.",
        unit="points of test error",
        paper_value=2.0,
        measure=by_norm(idle=False),
        rule=at_least(2.0, 0.5),
        control=Control(
            "the same layers divide by 1 (their alpha is 0), from other seeds", by_norm(idle=True)
        ),
        footing=everywhere("scaled"),
        decides_at=("gpu",),
        needs=NETS.needs(),
    ),
)
