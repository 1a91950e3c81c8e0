"""Methods of the regularisation survey that act inside a network: words of a recipe.

Each is put in by a surgery and taken out, or folded, after training: the network that is saved is
the one that `create` makes.
"""

from torch import nn

from fleetfoot.core import arguments
from fleetfoot.ops.drop_block import DropBlock2d
from fleetfoot.ops.max_dropout import MaxDropout
from fleetfoot.ops.shake_drop import Level
from fleetfoot.ops.target_drop import TargetDrop
from fleetfoot.passes.insert_after import insert_after, stage_places, take_out
from fleetfoot.passes.shake_branches import fold_shake_drop, shake_branches
from fleetfoot.recipes.method import Method, method
from fleetfoot.train.steps.manifold_mixup import Loss, manifold_mixup_step
from fleetfoot.train.steps.progress import telling_progress


@method(
    acts="inside",
    paper="Goncalves dos Santos et al., 2020, arXiv:2007.13723",
    published="CIFAR-10, ResNet-18: 4.72 to 4.66 %, with cutout 3.99 to 3.76 %",
)
def max_dropout(drop: float = 0.3) -> Method:
    """Behind every stage, the largest activations of the batch become 0."""
    arguments.rate(drop, "drop")
    return Method(
        surgery=lambda net: insert_after(net, stage_places(net), lambda _: MaxDropout(drop)),
        finish=lambda net: take_out(net, MaxDropout),
    )


@method(
    acts="inside",
    paper="Ghiasi et al., 2018, arXiv:1810.12890",
    published="CIFAR-100, PyramidNet-200: 16.45 to 15.73 %",
)
def drop_block(
    rate: float = 0.1, block: int = 7, *, shared: bool = False, ramp: bool = True
) -> Method:
    """Behind every stage, squares become 0, more and more of them up to the rate."""
    arguments.rate(rate, "rate")
    arguments.at_least(1, block, "block")

    def make(_: int) -> nn.Module:
        return DropBlock2d(rate, block, shared=shared)

    return Method(
        surgery=lambda net: insert_after(net, stage_places(net), make),
        step=(lambda step: telling_progress(step, DropBlock2d)) if ramp else None,
        finish=lambda net: take_out(net, DropBlock2d),
    )


@method(acts="inside", paper="Zhu & Zhao, 2020, arXiv:2010.10716")
def target_drop(share: float = 0.15, block: int = 5, reduction: int = 16) -> Method:
    """Behind every stage, the square around the peak of the most attended channels becomes 0."""
    arguments.rate(share, "share")
    arguments.at_least(1, block, "block")
    arguments.at_least(1, reduction, "reduction")

    def make(channels: int) -> nn.Module:
        return TargetDrop(channels, share=share, block=block, reduction=reduction)

    return Method(
        surgery=lambda net: insert_after(net, stage_places(net), make),
        finish=lambda net: take_out(net, TargetDrop),
    )


@method(
    acts="inside",
    paper="Tompson et al., CVPR 2015, arXiv:1411.4280",
)
def spatial_dropout(rate: float = 0.1) -> Method:
    """Behind every stage, whole channels become 0 and the others are scaled up."""
    arguments.rate(rate, "rate")
    return Method(
        surgery=lambda net: insert_after(net, stage_places(net), lambda _: nn.Dropout2d(rate)),
        finish=lambda net: take_out(net, nn.Dropout2d),
    )


@method(
    acts="inside",
    paper="Yamada et al., 2018, arXiv:1802.02375",
    published="CIFAR-100, PyramidNet-110 a270: 15.78 %",
)
def shake_drop(last: float = 0.5, level: Level = "pixel") -> Method:
    """Residual branches get a random gain, those further down more often."""
    if last != 1.0:
        arguments.rate(last, "last")
    return Method(
        surgery=lambda net: shake_branches(net, last=last, level=level), finish=fold_shake_drop
    )


@method(
    acts="inside",
    paper="Verma et al., 2018, arXiv:1806.05236",
    published="CIFAR-10, WRN-28-10: 2.55 %",
)
def manifold_mixup(alpha: float = 2.0, layers: int = 3, loss: Loss = "binary") -> Method:
    """Images or what a random stage makes of them are mixed in pairs, with their labels."""
    arguments.above_zero(alpha, "alpha")
    arguments.at_least(1, layers, "layers")
    return Method(loss=manifold_mixup_step(alpha=alpha, layers=layers, loss=loss))
