"""Methods of the regularisation survey that act on labels or the loss: words of a recipe."""

from torch import nn

from fleetfoot.core import arguments
from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult, Skip
from fleetfoot.nets.create import create
from fleetfoot.nets.protocol import created_as
from fleetfoot.recipes.method import Method, method
from fleetfoot.recipes.teacher import check_teacher, load_teacher
from fleetfoot.train.steps.distill import distill_step
from fleetfoot.train.steps.jocor import Pair, jocor_step
from fleetfoot.train.steps.squared_hinge import squared_hinge_step
from fleetfoot.train.steps.tsla import two_stage_smoothing


@method(acts="label", paper="Xu et al., 2020, arXiv:2006.11653")
def tsla(smoothing: float = 0.1, until: float = 0.5) -> Method:
    """Labels are smoothed in the first part of the run, and not in the rest."""
    arguments.rate(smoothing, "smoothing")
    if until != 1.0:
        arguments.rate(until, "until")
    return Method(step=lambda step: two_stage_smoothing(step, smoothing=smoothing, until=until))


@method(
    acts="label",
    paper="Wei et al., CVPR 2020, arXiv:2003.02752",
    published="CIFAR-10N, random labels 1: 90.30 % right",
)
def jocor(noise: float = 0.2, weight: float = 0.9, ramp: int = 10) -> Method:
    """Two networks learn from the samples that both find easy; for labels that are partly wrong."""
    arguments.rate(noise, "noise")
    arguments.rate(weight, "weight")
    arguments.at_least(1, ramp, "ramp")
    return Method(
        surgery=_paired,
        loss=jocor_step(noise=noise, weight=weight, ramp=ramp),
        finish=lambda net: net.first if isinstance(net, Pair) else net,
    )


@method(acts="label", paper="Hubara et al., 2016, arXiv:1609.07061")
def hinge() -> Method:
    """The loss is the squared hinge, as of binary networks; without label smoothing."""
    return Method(loss=squared_hinge_step)


@method(
    acts="label",
    paper="Hinton et al., 2015, arXiv:1503.02531",
    published="ImageNet, ReActNet-A from a ResNet-34: 69.4 % right",
)
def distill(
    teacher: str = "", weights: str = "auto", labels: float = 0.0, temperature: float = 1.0
) -> Method:
    """The network learns the answers of a teacher: a run, a folder of weights, or a network."""
    if not teacher:
        raise UsageError("it needs a teacher: write distill:teacher=RUN, or a network's name")
    if labels != 1.0:
        arguments.rate(labels, "labels")
    arguments.above_zero(temperature, "temperature")
    return Method(
        check=lambda classes: check_teacher(teacher, weights, classes),
        loss=distill_step(
            lambda classes: load_teacher(teacher, weights, classes),
            labels=labels,
            temperature=temperature,
        ),
    )


def _paired(net: nn.Module) -> PassResult:
    """Return the network beside a second one of other weights, as `create` makes it.

    What is not trained, such as a whitened stem, is taken from the first; published weights of the
    first are not, since two networks that start alike stay alike.
    """
    made = created_as(net)
    if made is None:
        why = Skip(site=type(net).__name__, reason="only networks of `create` can be made twice")
        return PassResult(model=net, changed=(), skipped=(why,))
    second = create(made.name, num_classes=made.num_classes, in_chans=made.in_chans, **made.options)
    if [type(part) for part in second.modules()] != [type(part) for part in net.modules()]:
        raise UsageError("method jocor makes a second network: name it before the other methods")
    for ours, theirs in zip(net.parameters(), second.parameters(), strict=True):
        if not ours.requires_grad:
            theirs.data.copy_(ours.data)
    return PassResult(model=Pair(net, second), changed=("first", "second"), skipped=())
