"""FasterNet, Table 2: how well cheaper pairs of convolutions can do a trained convolution's work.

A 3x3 convolution with a 1x1 one behind it is one 3x3 convolution, whose kernel is the product of
the two. Its squared error on a set of maps depends on the maps through sums over their patches
alone, so that these are taken once and every fit sees every pixel at every step.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 2
Departs  the paper does not say how it fits: here L-BFGS on all pixels, and errors as shares of the
         variance, so that stages count alike
Letters  N images, C channels in, O out, K positions of a kernel, P pixels
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, measured
from fleetfoot.claims.fasternet.trained_resnet import (
    NEEDS,
    STAND_IN,
    Seen,
    first_of_each_stage,
    trained_resnet,
)
from fleetfoot.claims.rules import at_least_ratio
from fleetfoot.claims.shared import shared
from fleetfoot.core.seeds import torch_rng

STEPS = {"smoke": 3, "cpu": 60}
FITTED = 0.8  # of the images; the rest judges
GROUPS = 16
DIVISOR = 4


class Form(NamedTuple):
    """The 3x3 part of a pair, as a dense kernel (C, C, 3, 3) of learned and fixed entries."""

    learned: Tensor  # 1 where an entry is learned
    fixed: Tensor  # the entries that are not

    def kernel(self, weight: Tensor) -> Tensor:
        """Return the dense kernel with these learned entries."""
        return self.learned * weight + self.fixed


def in_groups(channels: int, groups: int) -> Form:
    """Return a convolution in groups; as many groups as channels is a depthwise one."""
    group = torch.arange(channels) * groups // channels
    learned = (group[:, None] == group).float()[:, :, None, None].expand(-1, -1, 3, 3)
    return Form(learned, torch.zeros(channels, channels, 3, 3))


def partial(channels: int, mixed: int) -> Form:
    """Return a convolution of the first channels that hands the others through."""
    learned, fixed = torch.zeros(2, channels, channels, 3, 3)
    learned[:mixed, :mixed] = 1
    for channel in range(mixed, channels):
        fixed[channel, channel, 1, 1] = 1
    return Form(learned, fixed)


FORMS: dict[str, Callable[[int], Form]] = {
    "DW + PW": lambda channels: in_groups(channels, channels),
    "GConv(16) + PW": lambda channels: in_groups(channels, GROUPS),
    "PConv(1/4) + PW": lambda channels: partial(channels, channels // DIVISOR),
    "PW alone": lambda channels: partial(channels, 0),
}


class Moments(NamedTuple):
    """Sums over all pixels: all that a squared error depends on.

    `patches` (C * K, C * K) of products of the pixels of a patch, `cross` (O, C * K) of products
    with the outputs, `power` of squared outputs, `spread` of their squared distances from the mean.
    """

    patches: Tensor
    cross: Tensor
    power: Tensor
    spread: Tensor


def moments(seen: Seen) -> Moments:
    """Return the sums of what went into and came out of a 3x3 convolution with padding 1."""
    channels, outputs = seen.inputs.shape[1], seen.outputs.shape[1]
    patches, cross = torch.zeros(9 * channels, 9 * channels), torch.zeros(outputs, 9 * channels)
    for x, y in zip(seen.inputs.split(1), seen.outputs.split(1), strict=True):
        patches_KP, y_OP = F.unfold(x, 3, padding=1)[0], y[0].flatten(1)
        patches += patches_KP @ patches_KP.T
        cross += y_OP @ patches_KP.T
    y = seen.outputs.double()
    return Moments(
        patches.double(), cross.double(), y.square().sum(), (y - y.mean()).square().sum()
    )


def error(kernel: Tensor, sums: Moments) -> Tensor:
    """Return the squared error of a kernel (O, C, 3, 3), as a share of the outputs' variance."""
    flat = kernel.flatten(1)
    squared = (flat @ sums.patches * flat).sum() - 2 * (flat * sums.cross).sum() + sums.power
    return squared / sums.spread


def fitted(form: Form, sums: Moments, *, steps: int) -> Tensor:
    """Return the kernel (O, C, 3, 3) of a fitted pair.

    Only the 3x3 part is searched for: the best 1x1 one behind it is the solution of a linear
    system.
    """
    generator = torch_rng("fit of a pair")
    weight = torch.randn(form.fixed.shape, generator=generator).double().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight],
        max_iter=steps,
        max_eval=25 * steps,  # a line search takes up to 25: steps shall end it, not evaluations
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = error(completed(form.kernel(weight), sums), sums)
        value.backward()
        return value

    optimizer.step(loss)  # pyright: ignore[reportArgumentType]  it may return a tensor
    return completed(form.kernel(weight), sums).detach()


def completed(spatial: Tensor, sums: Moments) -> Tensor:
    """Return the kernel of a 3x3 part (C, C, 3, 3) with the best 1x1 one behind it."""
    rows = spatial.flatten(1).double()
    products = rows @ sums.patches @ rows.T
    # a channel that is always zero leaves its weight open
    ridge = 1e-9 * products.diagonal().mean() * torch.eye(len(rows), dtype=rows.dtype)
    pointwise = torch.linalg.solve(products + ridge, rows @ sums.cross.T).T
    return torch.einsum("oq,qckl->ockl", pointwise, spatial.double())


def split(seen: Seen) -> tuple[Moments, Moments]:
    """Return the sums of the images that fit and of those that judge."""
    cut = round(FITTED * len(seen.inputs))
    return (
        moments(Seen(seen.inputs[:cut], seen.outputs[:cut])),
        moments(Seen(seen.inputs[cut:], seen.outputs[cut:])),
    )


@shared
def errors(setting: Setting) -> Mapping[str, Mapping[str, float]]:
    """Return the errors by form and stage."""
    trained = trained_resnet(setting)
    setting.listener.stage("fitting pairs of convolutions to trained ones")
    found = {name: dict[str, float]() for name in FORMS}
    for stage, seen in first_of_each_stage(trained.net, trained.pictures).items():
        fit, test = split(seen)
        for name, form in FORMS.items():
            kernel = fitted(form(seen.inputs.shape[1]), fit, steps=STEPS[setting.scale])
            found[name][stage] = float(error(kernel, test))
    return found


@measured
def mean_error_over(setting: Setting, form: str, other: str) -> Measurement:
    """Return one form's mean error over another's."""
    found = errors(setting)
    rows: Any = tuple(
        {"form": name, "stage": stage, "error_share": value}
        for name in (form, other)
        for stage, value in found[name].items()
    )
    return Measurement(
        value=sum(found[form].values()) / sum(found[other].values()),
        table=rows,
        note=trained_resnet(setting).note,
    )


def _claim(identity: str, form: str, title: str, ratio: float) -> Claim:
    return Claim(
        id=f"fasternet/table2-{identity}",
        paper="arXiv:2303.03667v3, Table 2",
        sentence="A partial convolution with a 1x1 one behind it comes nearer to a trained 3x3 "
        f"convolution than {title} does.",
        protocol=f"{STAND_IN} The first 3x3 convolution of stride 1 of each stage; maps of 2,000 "
        "validation images, four fifths to fit, one fifth to judge; "
        f"{STEPS['cpu']} steps of L-BFGS on all pixels, the 1x1 convolution solved for; errors as "
        "shares of the output's variance, mean of stages.",
        unit=f"mean error of {form} / of PConv(1/4) + PW, on images that fitted nothing",
        paper_value=ratio,
        measure=mean_error_over(form, "PConv(1/4) + PW"),
        rule=at_least_ratio(ratio),
        control=Control(
            "the partial convolution is left out, the 1x1 one stays",
            mean_error_over(form, "PW alone"),
        ),
        footing={"cpu": "stand-in"},
        needs=NEEDS,
    )


CLAIMS = (
    _claim("depthwise", "DW + PW", "a depthwise one with a 1x1 one", 1.20),
    _claim("grouped", "GConv(16) + PW", "a grouped one with a 1x1 one", 1.08),
)
