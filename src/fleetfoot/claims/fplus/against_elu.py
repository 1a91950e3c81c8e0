"""FPLUS and PFPLUS: as accurate as ELU, learnt forms, and cheaper than an exponential.

Paper    Duan, Yang, Dai, 2021, arXiv:2111.14349; its tables could not be read
Letters  N images, C channels, H height, W width
"""

import shutil
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.arms import Effort, effort_at
from fleetfoot.claims.claim import (
    Claim,
    Measurement,
    Needs,
    Scale,
    Setting,
    at_least,
    at_most,
    capped,
)
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.shared import shared
from fleetfoot.claims.timing import columns, schedule_of, times_as_long
from fleetfoot.claims.training import Outcome, is_smoke, train_once
from fleetfoot.claims.training_gain import gain, outcomes
from fleetfoot.core.errors import MissingError
from fleetfoot.core.surgery import swap_modules
from fleetfoot.measure.latency import Latency, measure_interleaved
from fleetfoot.measure.torch_settings import denormals_flushed, torch_threads
from fleetfoot.nets.exchanges import swap_activations
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.fplus import fplus

Pointwise = Callable[[Tensor], Tensor]

EFFORTS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=5, size=32, train_images=4000, test_images=4000),
    "gpu": Effort(seeds=5, epochs=30, size=32),
}
LINEAR = "none"
SHAPE = (64, 64, 56, 56)  # of the map that is timed
SMOKE_SHAPE = (2, 8, 14, 14)


def net_of(kind: str, setting: Setting) -> nn.Module:
    """Return a ResNet-8 (a ResNet-20 at the gpu scale) with an activation, or none at all."""
    blocks = 3 if setting.scale == "gpu" else 1
    net = ResNetCifar(ResNetCifarSpec(blocks=blocks, channels=(16, 32, 64)), 10)
    if kind == LINEAR:
        return swap_modules(net, (nn.ReLU,), lambda *_: nn.Identity()).model
    return swap_activations(net, kind).model


@shared
def trained(kind: str, seed: int, setting: Setting) -> Outcome:
    """Return one training of `net_of`, the same recipe for all activations."""
    effort = effort_at(setting, EFFORTS)
    recipe = plain_recipe(
        epochs=effort.epochs,
        batch=64,
        optimizer="sgd",
        schedule="cosine",
        lr=0.1,
        weight_decay=5e-4,
        warmup=0.1,
        augment={"crop": "pad", "pad": 4, "flip": 0.5},
    )
    return train_once(
        lambda: net_of(kind, setting),
        setting,
        recipe=recipe,
        seed=seed,
        size=effort.size,
        train_images=effort.train_images,
        test_images=effort.test_images,
    )


def lead(kind: str, over: str, *, other: bool = False) -> Callable[[Setting], Measurement]:
    """Return the measurement of by how many points one activation errs less than another."""

    def measured(setting: Setting) -> Measurement:
        seeds = effort_at(setting, EFFORTS).seeds
        old = outcomes(lambda seed: trained(over, seed, setting), seeds)
        new = outcomes(lambda seed: trained(kind, seed, setting), seeds, other=other)
        return gain(old, new, names=(over, f"{kind}, other seeds" if other else kind))

    return measured


def time_over_elu(name: str, function: Pointwise) -> Callable[[Setting], Measurement]:
    """Return the measurement of an activation's time over ELU's, forward and backward, compiled."""

    def measured(setting: Setting) -> Measurement:
        shape = SMOKE_SHAPE if is_smoke(setting) else SHAPE
        functions: dict[str, Pointwise] = {name: function, "elu": F.elu, "relu": F.relu}
        calls = {f"{n}, eager": both_ways(f, shape, setting) for n, f in functions.items()}
        form = "eager"
        if not is_smoke(setting):
            form = "compiled"
            calls |= {
                f"{n}, compiled": both_ways(_compiled(f, setting), shape, setting)
                for n, f in functions.items()
            }
        times = _timed(calls, setting)
        table = tuple({"activation": n, **columns(latency)} for n, latency in times.items())
        return times_as_long(times[f"{name}, {form}"], times[f"elu, {form}"], table=table)

    return measured


def both_ways(function: Pointwise, shape: tuple[int, ...], setting: Setting) -> Callable[[], Any]:
    """Return a call of an activation and of its gradient, on normal values."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(setting.device).requires_grad_()
    ones = torch.ones(shape, device=setting.device)
    return lambda: torch.autograd.grad(function(x), x, ones)


def again(x: Tensor) -> Tensor:
    """Return ELU, as another function."""
    return F.elu(x)


def _compiled(function: Pointwise, setting: Setting) -> Pointwise:
    if setting.device == "cpu" and not shutil.which("g++"):
        raise MissingError("fplus/cheaper-than-elu fuses operators: it needs g++")
    return torch.compile(function)


def _timed(calls: dict[str, Callable[[], Any]], setting: Setting) -> dict[str, Latency]:
    with torch_threads(1), denormals_flushed():
        for call in calls.values():
            call()
        if setting.device == "cuda":
            calls = {name: _waiting(call) for name, call in calls.items()}
        return measure_interleaved(calls, schedule_of(setting))


def _waiting(call: Callable[[], Any]) -> Callable[[], Any]:
    def waited() -> None:
        call()
        torch.cuda.synchronize()

    return waited


PAPER = "arXiv:2111.14349"
PROTOCOL = (
    "A ResNet-8 on CIFAR-10, every activation exchanged, the same recipe for all: 4,000 images, 5 "
    "epochs, 3 seeds, 4,000 test images at the cpu scale (a stand-in, so partly at best); at the "
    "gpu scale a ResNet-20, all images, 30 epochs, 5 seeds, about half an hour. The paper's tables "
    "could not be read. {}"
)

CLAIMS = (
    Claim(
        id="fplus/against-elu",
        paper=PAPER,
        sentence="FPLUS is as accurate as ELU, or more.",
        protocol=PROTOCOL.format(
            "The value is by how many points FPLUS errs less. Reproduced down to 0.5 points worse, "
            "partly down to 1: what would be an error of ours begins there."
        ),
        unit="points",
        paper_value=None,
        measure=lead("fplus", "elu"),
        verdict=capped(at_least(-0.5, -1.0)),
        control=lead(LINEAR, "elu"),
        control_sentence="FPLUS keeps its upper half alone, above zero and below: no activation",
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
    Claim(
        id="fplus/learnt-scales",
        paper=PAPER,
        sentence="PFPLUS, whose amplitude and scale are learnt, is more accurate than FPLUS.",
        protocol=PROTOCOL.format(
            "An amplitude and a scale for each channel, both kept above zero. The value is by how "
            "many points PFPLUS errs less; reproduced from 1.5 points, partly from 1, which is "
            "beyond what seeds alone give here."
        ),
        unit="points",
        paper_value=None,
        measure=lead("pfplus_channels", "fplus"),
        verdict=capped(at_least(1.5, 1.0)),
        control=lead("fplus", "fplus", other=True),
        control_sentence="nothing is learnt: FPLUS against itself with other seeds",
        needs=Needs(data=("cifar10",)),
        scales=("smoke", "cpu", "gpu"),
    ),
    Claim(
        id="fplus/cheaper-than-elu",
        paper=PAPER,
        sentence="FPLUS takes less time than ELU: one division in place of an exponential.",
        protocol="Forward and backward on a map of 64 x 64 x 56 x 56 in float32, one thread, each "
        "fused to one pass by torch.compile, so that arithmetic is compared and not how many "
        "passes our operator takes; those without fusing are in the table. Reproduced up to 0.9 of "
        "ELU's time, partly up to 0.97. The paper says cheap, without a figure that could be read.",
        unit="time of FPLUS / time of ELU",
        paper_value=None,
        measure=time_over_elu("fplus", fplus),
        verdict=at_most(0.9, 0.97),
        control=time_over_elu("elu again", again),
        control_sentence="the exponential is still there: ELU against itself",
        scales=("smoke", "cpu", "gpu"),
    ),
)
