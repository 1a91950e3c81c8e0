"""FasterNet, Table 2: how well cheaper pairs of convolutions can do a trained convolution's work.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 2
Departs  the paper does not say how it fits: here Adam, the better of two learning rates by
         validation images, and errors as shares of the variance, so that stages count alike
Letters  N images, C channels, H height, W width
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.claims.claim import Claim, Measurement, Setting, at_least_ratio, capped
from fleetfoot.claims.fasternet_layers import LAYERS
from fleetfoot.claims.trained_resnet import (
    NEEDS,
    STAND_IN,
    Seen,
    first_of_each_stage,
    trained_resnet,
)
from fleetfoot.core.seeds import seed_everything, torch_rng

LEARNING_RATES = (0.01, 0.03)
STEPS = {"smoke": 5, "cpu": 300}
BATCH = 16
SHARES = (0.7, 0.1)  # of the images, to fit and to choose by; the rest judges

SPATIAL: dict[str, Callable[[int], nn.Module]] = {
    "DW + PW": LAYERS["dwconv"],
    "GConv(16) + PW": LAYERS["gconv"],
    "PConv(1/4) + PW": LAYERS["pconv"],
    "PW alone": lambda _: nn.Identity(),
}


class Split(NamedTuple):
    """What fits, what chooses, what judges."""

    fit: Seen
    val: Seen
    test: Seen


def split(seen: Seen) -> Split:
    """Return the images in the paper's shares, outputs scaled to mean 0 and variance 1."""
    y = seen.outputs
    scaled = Seen(seen.inputs, (y - y.mean()) / y.std())
    first = round(SHARES[0] * len(y))
    second = first + round(SHARES[1] * len(y))
    cuts = (slice(first), slice(first, second), slice(second, None))
    return Split(*(Seen(scaled.inputs[cut], scaled.outputs[cut]) for cut in cuts))


def fit(spatial: Callable[[int], nn.Module], data: Split, *, lr: float, steps: int) -> nn.Module:
    """Return a spatial convolution with a 1x1 one behind it, fitted to what a convolution does."""
    channels, out_channels = data.fit.inputs.shape[1], data.fit.outputs.shape[1]
    seed_everything(0)
    pair = nn.Sequential(spatial(channels), nn.Conv2d(channels, out_channels, 1))
    optimizer = torch.optim.Adam(pair.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch_rng("fit")
    for _ in range(steps):
        drawn = torch.randint(len(data.fit.inputs), (BATCH,), generator=generator)
        loss = F.mse_loss(pair(data.fit.inputs[drawn]), data.fit.outputs[drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return pair


@torch.no_grad()
def error(pair: nn.Module, seen: Seen) -> float:
    """Return the mean squared error; outputs have variance 1, so it is a share of it."""
    return float(F.mse_loss(pair(seen.inputs), seen.outputs))


def best_error(spatial: Callable[[int], nn.Module], data: Split, *, steps: int) -> float:
    """Return the error on the test images of the pair that is best on the validation images."""
    pairs = [fit(spatial, data, lr=lr, steps=steps) for lr in LEARNING_RATES]
    return error(min(pairs, key=lambda pair: error(pair, data.val)), data.test)


def errors(setting: Setting) -> Mapping[str, Mapping[str, float]]:
    """Return the errors by form and stage; fitted once for each trained network."""
    trained = trained_resnet(setting)
    if "fits" not in trained.results:
        setting.listener.stage("fitting pairs of convolutions to trained ones")
        seen = first_of_each_stage(trained.net, trained.pictures)
        data = {stage: split(each) for stage, each in seen.items()}
        trained.results["fits"] = {
            name: {
                stage: best_error(spatial, each, steps=STEPS[setting.scale])
                for stage, each in data.items()
            }
            for name, spatial in SPATIAL.items()
        }
    return trained.results["fits"]


def mean_error_over(form: str, other: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of one form's mean error over another's."""

    def measured(setting: Setting) -> Measurement:
        found = errors(setting)
        rows: Any = tuple(
            {"form": name, "stage": stage, "test_error_share": value}
            for name in (form, other)
            for stage, value in found[name].items()
        )
        return Measurement(
            value=sum(found[form].values()) / sum(found[other].values()),
            table=rows,
            note=trained_resnet(setting).note,
        )

    return measured


def _claim(identity: str, form: str, title: str, ratio: float) -> Claim:
    return Claim(
        id=f"fasternet/table2-{identity}",
        paper="arXiv:2303.03667v3, Table 2",
        sentence=f"A partial convolution with a 1x1 one behind it comes nearer to a trained 3x3 "
        f"convolution than {title} does.",
        protocol=f"{STAND_IN} The first 3x3 convolution of stride 1 of each stage; maps of 500 "
        "test images, 70 % to fit, 10 % to choose the learning rate, 20 % to judge; Adam, "
        f"{STEPS['cpu']} steps of {BATCH} images; errors as shares of the output's variance.",
        unit=f"mean test error of {form} / of PConv(1/4) + PW",
        paper_value=ratio,
        measure=mean_error_over(form, "PConv(1/4) + PW"),
        verdict=capped(at_least_ratio(ratio)),
        control=mean_error_over(form, "PW alone"),
        control_sentence="the partial convolution is left out, the 1x1 one stays",
        needs=NEEDS,
    )


CLAIMS = (
    _claim("depthwise", "DW + PW", "a depthwise one with a 1x1 one", 1.20),
    _claim("grouped", "GConv(16) + PW", "a grouped one with a 1x1 one", 1.08),
)
