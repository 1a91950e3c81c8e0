"""What binary residual networks learn by: plain estimator, sines, ReCU, repeated maps, two bits.

Paper    Xu et al., NeurIPS 2021, arXiv:2103.00841, table 1: ResNet-20 on CIFAR-10 84.44 % by the
         plain estimator and 85.83 % by sines alone. Xu et al., ICCV 2021, arXiv:2103.12369: 87.50 %
         by ReCU. Shi et al., 2022, arXiv:2207.09049: 88.97 % with maps twice as wide. Hubara et
         al., 2016, arXiv:1609.07061: two bits of an activation take AlexNet from 41.8 to 51 %
"""

from torch import nn

from fleetfoot.claims.claim import Claim, Scale, everywhere
from fleetfoot.claims.comparison import Comparison, Effort
from fleetfoot.claims.rules import at_least
from fleetfoot.nets.create import create
from fleetfoot.recipes.binary_cifar import recu
from fleetfoot.train.recipe import Recipe

NETS = {
    "plain": "bnn_resnet20",
    "sines": "fda_resnet20",
    "ReCU": "recu_resnet20",
    "repeated": "rep_recu_resnet20",
    "two bits": "bnn_resnet20",
}
SMALL = 64  # images of a batch at the cpu scale


def network(way: str, _: Scale) -> nn.Module:
    """Return the network of a way."""
    bits = 2 if way == "two bits" else 1
    return create(NETS[way], activation_bits=bits)


def recipe(_: str, scale: Scale) -> Recipe:
    """Return ReCU's recipe for all ways; smaller batches where images are few."""
    published = recu()
    if scale in ("long", "gpu"):
        return published
    rate = published.optimizer.lr * (SMALL / published.batch) ** 0.5
    return published.with_changes(batch=SMALL, lr=rate, warmup=0.1, precision="float32")


RESNETS = Comparison(
    network=network,
    recipe=recipe,
    efforts={
        "cpu": Effort(seeds=3, epochs=6, size=16, train_images=5000, test_images=2000),
        "long": Effort(seeds=3, epochs=20),
        "gpu": Effort(seeds=3, epochs=60),
    },
)
PROTOCOL = (
    "All ways by the same recipe, ReCU's, at equal epochs and seeds, so that what differs is the "
    "network alone; the papers' epochs are 400 and 600. Half of the published gain is called "
    "partly. "
)


def _claim(what: str, before: str, after: str, gain: float, paper: str, sentence: str) -> Claim:
    return Claim(
        id=what,
        paper=paper,
        sentence=sentence,
        protocol=f"{PROTOCOL}{after} against {before}.",
        unit="points of test error",
        paper_value=gain,
        measure=RESNETS.gain(before, after),
        rule=at_least(gain, gain / 2),
        control=RESNETS.chance(before, f"{before} against itself with other seeds"),
        footing=everywhere("scaled"),
        needs=RESNETS.needs(),
    )


CLAIMS = (
    _claim(
        "fdabnn/sines",
        "plain",
        "sines",
        1.39,
        "arXiv:2103.00841, table 1",
        "A ResNet-20 that learns by a series of sines errs 1.4 points less on CIFAR-10 than by the "
        "plain estimator.",
    ),
    _claim(
        "repbnn/recu",
        "plain",
        "ReCU",
        3.06,
        "arXiv:2103.12369, README, against arXiv:2103.00841, table 1",
        "A ResNet-20 in ReCU's form errs 3 points less on CIFAR-10 than by the plain estimator.",
    ),
    _claim(
        "repbnn/repeated-maps",
        "ReCU",
        "repeated",
        1.47,
        "arXiv:2207.09049",
        "Maps twice as wide, without a weight or product more in the convolutions, take 1.5 points "
        "of error from ReCU's ResNet-20.",
    ),
    _claim(
        "qnn/two-bit-activations",
        "plain",
        "two bits",
        9.2,
        "arXiv:1609.07061, section 5.2: AlexNet on ImageNet",
        "Activations of two bits instead of one take 9 points of error away.",
    ),
)
